use serde_json::{Value, json};

use crate::harness::{Reply, Server};

fn of_type(name: &str, trees: u32, jobs: u32) -> Value {
    json!({ "type": name, "trees": trees, "jobs": jobs, "more": false })
}

#[tokio::test]
async fn what_is_pruned_is_added_up_by_type_page_by_page() {
    let server = Server::start(|asked, _| {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let answer = match body["cursor"].as_str() {
            None => json!({ "types": [of_type("a", 1, 4), of_type("b", 2, 2)], "dead_letters": 3, "next_cursor": "b" }),
            Some(_) => json!({ "types": [of_type("b", 5, 7)], "dead_letters": 0, "next_cursor": null }),
        };
        Reply::Json(200, answer)
    })
    .await;
    let text = server.run(&["prune"]).await.code(0).to_owned();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1..], [vec!["a", "1", "4"], vec!["b", "7", "9"], vec!["dead", "letters", "3"]]);
    assert!(server.lines().iter().all(|line| line == "POST /prune"));
    assert_eq!(server.asked()[1].body, r#"{"cursor":"b","dry_run":false}"#);
    let run = server.run(&["prune", "--dry-run", "--json"]).await;
    let types = [of_type("a", 1, 4), of_type("b", 7, 9)];
    assert_eq!(run.json(), json!({ "dry_run": true, "types": types, "dead_letters": 3 }));
    assert_eq!(server.asked()[2].body, r#"{"dry_run":true}"#);
}

#[tokio::test]
async fn nothing_to_prune_is_said() {
    let server =
        Server::start(|_, _| Reply::Json(200, json!({ "types": [], "dead_letters": 0, "next_cursor": null }))).await;
    assert_eq!(server.run(&["prune", "--dry-run"]).await.code(0), "");
}
