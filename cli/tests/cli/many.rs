//! Many jobs at once.

use serde_json::{Value, json};

use crate::harness::{ID, OTHER, Reply, Server};

fn bodies(server: &Server) -> Vec<Value> {
    server.asked().iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect()
}

async fn server(matched: u64, refused: Value) -> Server {
    Server::start(move |asked, _| {
        let dry = asked.body.contains("dry_run");
        let refused = if dry { json!([]) } else { refused.clone() };
        let done = if dry { 0 } else { matched - u64::try_from(refused.as_array().unwrap().len()).unwrap() };
        Reply::Json(200, json!({ "matched": matched, "done": done, "refused": refused, "next_cursor": null }))
    })
    .await
}

#[tokio::test]
async fn the_filter_of_the_list_says_which() {
    let server = server(2, json!([])).await;
    let args = ["--status", "running,pending", "--type", "t", "--label", "a=b", "--label", "c=d:e", "--parent", ID];
    let more = ["--after", "2026-07-01", "--before", "2026-07-02", "--paused", "--yes"];
    let run = server.run(&[&["cancel", "--now"], &args[..], &more[..]].concat()).await;
    assert_eq!((run.code(0), run.stderr.as_str()), ("cancelling 2 of 2 jobs\n", ""));
    assert_eq!(server.lines(), ["POST /jobs/cancel", "POST /jobs/cancel"]);
    let filter = json!({
        "status": "running,pending", "type": "t", "label": ["a:b", "c:d:e"], "parent": ID, "paused": "true",
        "created_after": "2026-07-01T00:00:00.000Z", "created_before": "2026-07-02T00:00:00.000Z",
    });
    assert_eq!(bodies(&server)[0], json!({ "filter": filter, "now": true, "dry_run": true }));
    assert_eq!(bodies(&server)[1], json!({ "filter": filter, "now": true }));
}

#[tokio::test]
async fn many_are_retried_or_deleted() {
    let server = server(1, json!([])).await;
    let run = server.run(&["retry", "--all", "--from", "start", "--yes"]).await;
    assert_eq!(run.code(0), "retrying 1 of 1 job\n");
    assert_eq!(bodies(&server)[1], json!({ "all": true, "filter": {}, "from": "start" }));
    let run = server.run(&["delete", "--status", "completed", "-y", "--json"]).await;
    assert_eq!(run.json(), json!({ "matched": 1, "done": 1, "refused": [] }));
    assert_eq!(server.lines()[2..], ["POST /jobs/delete", "POST /jobs/delete"]);
}

#[tokio::test]
async fn a_refused_job_is_told_with_the_reason() {
    let refused = json!([{ "id": OTHER, "kind": "parent_finished", "reason": "its workflow has ended" }]);
    let server = server(3, refused.clone()).await;
    let run = server.run(&["retry", "--parent", ID, "--yes"]).await;
    assert_eq!(
        (run.code(2), run.stderr.as_str()),
        ("retrying 2 of 3 jobs\n", &*format!("{OTHER}: its workflow has ended\n"))
    );
    let run = server.run(&["retry", "--parent", ID, "--yes", "--json"]).await;
    assert_eq!(run.code, 2);
    assert_eq!(run.json(), json!({ "matched": 3, "done": 2, "refused": refused }));
}

#[tokio::test]
async fn nothing_is_done_before_it_is_sure_which_and_that_it_is_meant() {
    let server = server(240, json!([])).await;
    for action in ["cancel", "retry", "delete"] {
        for args in [&[][..], &["--yes"], &["--parent", "any"]] {
            let run = server.run(&[&[action], args].concat()).await;
            assert_eq!(run.code(2), "");
            assert!(run.stderr.contains("an ID, a filter") && run.stderr.contains("--all"), "{}", run.stderr);
        }
        assert_eq!(server.asked().len(), 0, "nothing was asked for");
        for args in [&[ID, "--type", "t"][..], &[ID, "--all"], &[ID, "--yes"], &["--all", "--type", "t"]] {
            server.run(&[&[action], args].concat()).await.code(2);
        }
        for wait in ["cancel", "retry"] {
            server.run(&[wait, "--all", "--yes", "--wait"]).await.code(2);
        }
        assert_eq!(server.asked().len(), 0);
    }
    let run = server.run(&["cancel", "--type", "t"]).await;
    assert_eq!(run.code(2), "");
    assert_eq!(run.stderr, "error: 240 jobs match; add --yes to cancel them, or --dry-run to count them only\n");
    let run = server.run(&["delete", "--all", "--dry-run"]).await;
    assert_eq!(run.code(0), "240 jobs would be meant; nothing was done\n");
    assert!(bodies(&server).iter().all(|body| body["dry_run"] == true));
}
