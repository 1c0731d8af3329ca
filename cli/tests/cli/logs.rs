use serde_json::{Value, json};

use crate::harness::{ID, OTHER, Reply, Server, job, problem};

fn line(id: u64, level: &str, message: &str) -> Value {
    json!({
        "id": id, "at": "2026-07-26T12:00:00.250Z", "level": level, "message": message, "fields": { "file": "a.csv" },
        "job_id": OTHER, "job_type": "validate_import", "parent_job_id": ID, "attempt": 1,
    })
}

#[tokio::test]
async fn all_pages_are_printed() {
    let server = Server::start(|asked, _| {
        let first = !asked.line.contains("after=");
        let lines: Vec<Value> =
            if first { (1..=1000).map(|i| line(i, "info", "x")).collect() } else { vec![line(1001, "warn", "last")] };
        Reply::Json(200, json!({ "logs": lines, "next_after": if first { 1000 } else { 1001 }, "more": first }))
    })
    .await;
    let run = server.run(&["logs", "--level", "info", ID]).await;
    let lines: Vec<&str> = run.code(0).lines().collect();
    assert_eq!(lines.len(), 1001);
    assert_eq!(lines[1000], "2026-07-26 12:00:00.250 warn  validate_import last file=a.csv");
    let expected = [
        format!("GET /jobs/{ID}/logs?limit=1000&level=info"),
        format!("GET /jobs/{ID}/logs?limit=1000&level=info&after=1000"),
    ];
    assert_eq!(server.lines(), expected);

    let run = server.run(&["logs", "--json", ID]).await;
    assert_eq!(run.json()["logs"].as_array().unwrap().len(), 1001);
}

/// A page is cut by its bytes, too: few lines are not the last.
#[tokio::test]
async fn a_short_page_is_not_the_last_where_there_is_more() {
    let event = |id: u64| json!({ "id": id, "at": "2026-07-26T12:00:00Z", "job_id": ID, "kind": "started" });
    let server = Server::start(move |asked, _| {
        let (name, one): (_, fn(u64) -> Value) = match asked.line.contains("/logs") {
            true => ("logs", |id| line(id, "info", "x")),
            false => ("events", event),
        };
        let (lines, more) =
            if asked.line.contains("after=2") { (vec![one(3)], false) } else { (vec![one(1), one(2)], true) };
        let last = if more { 2 } else { 3 };
        Reply::Json(200, json!({ name: lines, "next_after": last, "more": more }))
    })
    .await;
    for command in ["logs", "history"] {
        let json = server.run(&[command, "--json", ID]).await.json();
        let lines = json["logs"].as_array().or(json["events"].as_array()).unwrap();
        assert_eq!(lines.len(), 3, "{command}");
        assert_eq!(json.get("next_after").cloned().unwrap_or_default(), Value::Null);
    }
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn lines_that_are_deleted_by_now_are_told_of_beside_the_lines() {
    let server =
        Server::always(200, json!({ "logs": [line(9, "info", "left")], "next_after": 9, "more": false, "expired": 8 }))
            .await;
    let run = server.run(&["logs", ID]).await;
    assert!(run.code(0).ends_with("left file=a.csv\n"), "{}", run.stdout);
    assert!(run.stderr.starts_with("8 older lines were deleted"), "{}", run.stderr);
}

/// New lines are printed as they come, also those that arrive after the job's end.
#[tokio::test]
async fn following_ends_after_the_job_and_its_last_lines() {
    let server = Server::start(|asked, before| match (asked.line.contains("/logs"), before) {
        (false, 0) => Reply::Json(200, job("running", json!({}))),
        (false, _) => Reply::Json(200, job("completed", json!({}))),
        (true, 0) if !asked.line.contains("after") => {
            Reply::Json(200, json!({ "logs": [line(1, "info", "one")], "next_after": 1, "more": false }))
        }
        (true, 1) if asked.line.ends_with("after=1") => {
            Reply::Json(200, json!({ "logs": [line(2, "info", "two")], "next_after": 2, "more": false }))
        }
        (true, _) => Reply::Json(200, json!({ "logs": [], "next_after": null, "more": false })),
    })
    .await;
    let run = server.run(&["logs", "--follow", "--json", ID]).await;
    let ids: Vec<Value> =
        run.code(0).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2)]);
}

#[tokio::test]
async fn history_is_a_table() {
    let event = |id: u64, kind: &str, detail: Value| {
        json!({
            "id": id, "at": "2026-07-26T12:00:00Z", "job_id": ID, "attempt": 1, "dispatch": 2, "kind": kind,
            "detail": detail,
        })
    };
    let events = json!([
        event(1, "dispatched", json!({ "queue": "drover.jobs.t", "n": 1, "none": null })),
        event(2, "started", Value::Null)
    ]);
    let answer = events.clone();
    let server = Server::start(move |asked, _| {
        let more = asked.line.ends_with("limit=2");
        Reply::Json(200, json!({ "events": answer, "next_after": 2, "more": more }))
    })
    .await;
    let run = server.run(&["history", ID]).await;
    let lines: Vec<&str> = run.code(0).lines().collect();
    assert_eq!(lines[1], "2026-07-26 12:00:00.000        1         2  dispatched  n=1 queue=drover.jobs.t");
    assert_eq!(lines[2], "2026-07-26 12:00:00.000        1         2  started");
    assert_eq!(lines.len(), 3);
    let run = server.run(&["history", "--limit", "2", ID]).await;
    assert!(run.stderr.contains("there is more"), "{}", run.stderr);
    let run = server.run(&["history", "--json", ID]).await;
    assert_eq!(run.json()["events"], events);
}

#[tokio::test]
async fn following_outlives_a_pause_of_the_server() {
    let server = Server::start(|asked, before| match (asked.line.contains("/logs"), before) {
        (false, 1) => Reply::Busy(problem(503, "unavailable", "the database is away", json!({}))),
        (false, 0 | 2) => Reply::Json(200, job("running", json!({}))),
        (false, _) => Reply::Json(200, job("completed", json!({}))),
        (true, 1) => {
            Reply::Json(200, json!({ "logs": [line(1, "info", "after the pause")], "next_after": 1, "more": false }))
        }
        (true, _) => Reply::Json(200, json!({ "logs": [], "next_after": null, "more": false })),
    })
    .await;
    let run = server.run(&["logs", "--follow", ID]).await;
    assert!(run.code(0).ends_with("validate_import after the pause file=a.csv\n"), "{}", run.stdout);
}
