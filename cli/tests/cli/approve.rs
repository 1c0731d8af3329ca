//! `drover approve`.

use serde_json::{Value, json};

use crate::harness::{ID, OTHER, Server, job, problem};

fn answered(message: &str) -> Value {
    job(
        "completed",
        json!({ "id": OTHER, "type": "signal", "message": message, "wait_for": "signal", "is_workflow": false }),
    )
}

#[tokio::test]
async fn an_answer_is_sent_whole_and_what_was_answered_is_printed() {
    let server = Server::always(200, answered("approved by ops at 2026-07-26 12:00:00 UTC: it is Monday")).await;
    let run =
        server.run(&["approve", ID, "--step", "gate", "--reason", "it is Monday", "--data", "{\"ring\": 2}"]).await;
    assert_eq!(run.code(0), format!("{OTHER} approved by ops at 2026-07-26 12:00:00 UTC: it is Monday\n"));
    let run = server.run(&["approve", "--refuse", "--json", ID]).await;
    assert_eq!(run.json()["wait_for"], "signal");
    assert_eq!(server.lines(), vec![format!("POST /jobs/{ID}/answer"); 2]);
    let bodies: Vec<Value> =
        server.asked().iter().map(|asked| serde_json::from_str(&asked.body).expect("JSON")).collect();
    let whole = json!({ "approved": true, "step": "gate", "reason": "it is Monday", "data": { "ring": 2 } });
    assert_eq!(bodies, [whole, json!({ "approved": false })]);
}

#[tokio::test]
async fn where_several_wait_it_says_how_to_name_one() {
    let detail = format!("several sub-jobs of {ID} wait for an answer; name one: gate ({OTHER}), other ({ID})");
    let server = Server::always(409, problem(409, "several_wait", &detail, json!({}))).await;
    let run = server.run(&["approve", ID]).await;
    assert_eq!(run.code(2), "");
    assert!(run.stderr.contains(OTHER) && run.stderr.contains("`--step KEY` says which"), "{}", run.stderr);
}

#[tokio::test]
async fn data_that_is_no_json_is_not_sent() {
    let server = Server::always(200, answered("approved")).await;
    let run = server.run(&["approve", ID, "--data", "ring 2"]).await;
    assert_eq!(run.code(2), "");
    assert!(run.stderr.contains("--data: the value is no JSON"), "{}", run.stderr);
    assert!(server.lines().is_empty());
}
