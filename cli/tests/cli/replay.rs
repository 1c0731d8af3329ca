//! `drover replay`

use serde_json::{Value, json};

use crate::harness::{ID, Server, problem};

const CHILD: &str = "01980c5e-7a00-7d10-8b6e-3f6f3ad3a002";

fn replayed(unfinished: u64, differences: Value, more: u64) -> Value {
    json!({
        "job_id": ID, "root_id": ID, "inputs": 7, "jobs": 3, "unfinished": unfinished, "differences": differences,
        "more_differences": more,
    })
}

#[tokio::test]
async fn a_replay_that_leads_to_the_rows_says_how_much_it_was() {
    let server = Server::always(200, replayed(0, json!([]), 0)).await;
    let run = server.run(&["replay", ID]).await;
    assert_eq!(run.code(0), "7 inputs lead to 3 jobs as stored\n");
    assert_eq!(server.asked()[0].line, format!("GET /jobs/{ID}/replay"));
    let run = server.run(&["replay", "--json", ID]).await;
    run.code(0);
    assert_eq!(run.json(), replayed(0, json!([]), 0));
}

#[tokio::test]
async fn what_cannot_be_compared_yet_is_said() {
    let server = Server::always(200, replayed(2, json!([]), 0)).await;
    let run = server.run(&["replay", ID]).await;
    run.code(0);
    assert!(run.stderr.starts_with("2 jobs have not ended"), "{}", run.stderr);
}

#[tokio::test]
async fn each_difference_is_a_line_and_the_exit_code_says_so() {
    let differences = json!([
        { "job_id": ID, "field": "workflow.steps.0.done", "stored": 2, "rebuilt": 3 },
        { "job_id": CHILD, "field": "error", "stored": null, "rebuilt": { "kind": "io" } },
    ]);
    let server = Server::always(200, replayed(0, differences.clone(), 4)).await;
    let run = server.run(&["replay", ID]).await;
    let lines: Vec<&str> = run.code(1).lines().collect();
    assert_eq!(lines[1], format!("{ID}  workflow.steps.0.done  2       3"));
    assert_eq!(lines[2], format!("{CHILD}  error                  -       {{\"kind\":\"io\"}}"));
    assert!(run.stderr.contains("6 differences, 2 of them listed"), "{}", run.stderr);
    let run = server.run(&["replay", "--json", ID]).await;
    run.code(1);
    assert_eq!(run.json()["differences"], differences);
}

#[tokio::test]
async fn a_history_that_does_not_suffice_is_a_refusal() {
    let detail = "its history cannot be replayed";
    let server = Server::always(422, problem(422, "history_insufficient", detail, json!({}))).await;
    let run = server.run(&["replay", ID]).await;
    run.code(2);
    assert!(run.stderr.contains(detail), "{}", run.stderr);
}
