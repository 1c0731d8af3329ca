use serde_json::{Value, json};

use crate::harness::{ID, OTHER, Server, job, run};

fn jobs() -> Value {
    let long = "a message of some length that no narrow terminal can hold, with\na line break and ünïcödé in it";
    let error = json!({ "kind": "io", "message": "no space left on device", "retryable": true });
    json!({
        "jobs": [
            job("running", json!({ "message": long })),
            job("completed_with_errors", json!({ "id": OTHER, "progress": 100.0, "message": null })),
            job("failed", json!({ "error": error, "step": "processing", "batch_index": 3 })),
        ],
        "next_cursor": "abc",
    })
}

#[tokio::test]
async fn a_list_fits_the_terminal_and_keeps_ids_whole() {
    let server = Server::always(200, jobs()).await;
    for columns in [60, 80, 99, 100, 120, 200] {
        let mut command = server.command(&["list"]);
        command.env("COLUMNS", columns.to_string());
        let run = run(command, "").await;
        let longest = run.code(0).lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= columns, "{longest} columns of {columns}:\n{}", run.stdout);
        for words in [ID, OTHER, "running", "completed_with_errors"] {
            assert!(run.stdout.contains(words), "{words} is missing at {columns}:\n{}", run.stdout);
        }
        assert_eq!(run.stdout.lines().count(), if columns < 100 { 6 } else { 4 });
    }
}

#[tokio::test]
async fn a_list_in_a_pipe_is_not_cut() {
    let server = Server::always(200, jobs()).await;
    let run = server.run(&["list"]).await;
    let lines: Vec<&str> = run.code(0).lines().collect();
    assert!(lines[0].starts_with("ID    "), "{}", run.stdout);
    assert!(lines[1].ends_with("with a line break and ünïcödé in it"), "{}", run.stdout);
    assert!(lines[3].ends_with("[processing #3] io: no space left on device"), "{}", run.stdout);
    assert_eq!(run.stderr, "there are more: add --cursor abc\n");
}

#[tokio::test]
async fn filters_are_sent() {
    let server = Server::always(200, json!({ "jobs": [], "next_cursor": null })).await;
    let args = ["list", "--status", "running,failed", "--type", "t", "--label", "a=b", "--label", "c=d/e"];
    let more = ["--paused", "--parent", ID, "--created-after", "2026-07-01", "--limit", "7", "--cursor", "x="];
    let run = server.run(&[&args[..], &more[..]].concat()).await;
    assert_eq!(run.code(0), "");
    assert_eq!(run.stderr, "no jobs match\n");
    assert_eq!(
        server.lines(),
        [format!(
            "GET /jobs?limit=7&parent={ID}&status=running%2Cfailed&type=t&label=a%3Ab&label=c%3Ad%2Fe\
             &paused=true&created_after=2026-07-01T00%3A00%3A00.000Z&cursor=x%3D"
        )]
    );
}

#[tokio::test]
async fn json_passes_every_list_on_whole() {
    let cases = [
        (vec!["list"], jobs()),
        (vec!["types"], json!({ "types": [{ "type": "t", "news": 1 }] })),
        (vec!["workers"], json!({ "workers": [] })),
        (vec!["definitions"], json!({ "definitions": [] })),
        (vec!["dead", "list"], json!({ "messages": [], "next_cursor": null })),
    ];
    for (args, answer) in cases {
        let server = Server::always(200, answer.clone()).await;
        let run = server.run(&[&args[..], &["--json"]].concat()).await;
        run.code(0);
        assert_eq!(run.json(), answer);
        assert_eq!(run.stderr, "");
    }
}

#[tokio::test]
async fn types_and_workers_are_tables() {
    let info = json!({ "type": "validate_import", "title": "Validate files", "live_workers": 2, "params_schema": {} });
    let server = Server::always(200, json!({ "types": [info] })).await;
    let run = server.run(&["types"]).await;
    assert_eq!(
        run.code(0),
        "TYPE             TITLE           WORKERS  LAST SEEN  PAUSED\nvalidate_import  Validate files        2\n"
    );

    let worker = json!({
        "session": OTHER, "host": "worker-7", "version": "1.4.0", "types": ["a", { "type": "b" }], "concurrency": 8,
        "running": [{ "job_id": ID, "dispatch": 1 }], "draining": true, "started_at": null, "seen_at": null,
        "status": "live",
    });
    let lost = json!({ "session": ID, "host": "worker-8", "running": 3, "concurrency": 4, "status": "lost" });
    let server = Server::always(200, json!({ "workers": [worker, lost] })).await;
    let run = server.run(&["workers"]).await;
    let lines: Vec<Vec<&str>> = run.code(0).lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["draining", "worker-7", "1/8", "1.4.0", "6b1f0c9e7002", "a,", "b"]);
    assert_eq!(lines[2], ["lost", "worker-8", "3/4", "3f6f3ad3a001"]);
}

#[tokio::test]
async fn a_reader_that_leaves_early_is_no_error() {
    let many: Vec<Value> = (0..5_000).map(|_| job("running", json!({}))).collect();
    let server = Server::always(200, json!({ "jobs": many, "next_cursor": null })).await;
    let mut child = server.command(&["list"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
