use serde_json::{Value, json};

use crate::harness::{ID, Reply, Server, problem};

fn letter(own: Value) -> Value {
    let mut letter = json!({
        "id": 17, "at": "2026-07-26T12:00:00Z", "queue": "drover.events", "reason": "refused",
        "detail": "/seq is missing", "message_id": "m-1", "message_type": "drover.event.v1",
        "content_type": "application/json", "body": "{\"job_id\":7}", "body_encoding": "utf-8", "body_bytes": 12,
        "body_is_whole": true, "truncated": false, "redrives": 0, "job_id": null,
        "properties": { "exchange": "drover.events", "app_id": null, "headers": { "traceparent": "00-1" } },
    });
    letter.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    letter
}

fn bodies(server: &Server) -> Vec<Value> {
    server.asked().iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect()
}

fn page(matched: u64, done: u64, refused: Value, next_cursor: Option<&str>) -> Reply {
    Reply::Json(200, json!({ "matched": matched, "done": done, "refused": refused, "next_cursor": next_cursor }))
}

#[tokio::test]
async fn dead_letters_have_their_reasons() {
    let server = Server::always(200, json!({ "messages": [letter(json!({}))], "next_cursor": "c" })).await;
    let run = server.run(&["dead", "list", "--limit", "1", "--queue", "drover.events", "--reason", "refused"]).await;
    let line = "17  2026-07-26 12:00:00  drover.events  drover.event.v1  refused: /seq is missing";
    assert_eq!(run.code(0).lines().nth(1), Some(line));
    assert_eq!(run.stderr, "there are more: add --cursor c\n");
    assert_eq!(server.lines(), ["GET /dead?limit=1&queue=drover.events&reason=refused"]);
}

#[tokio::test]
async fn a_letter_is_shown_with_its_body_as_a_person_reads_it() {
    let server = Server::always(200, letter(json!({ "redrives": 2, "job_id": ID }))).await;
    let run = server.run(&["dead", "show", "17"]).await;
    let lines: Vec<&str> = run.code(0).lines().collect();
    for line in [
        "id              17",
        "queue           drover.events",
        "reason          refused: /seq is missing",
        "redrives        2",
        &format!("job             {ID}"),
        "exchange        drover.events",
        "header traceparent  00-1",
        "body            12 bytes",
        "  \"job_id\": 7",
    ] {
        assert!(lines.contains(&line), "{line:?} is missing in\n{}", run.stdout);
    }
    assert!(!run.stdout.contains("app_id"), "what it has not is left out: {}", run.stdout);
    assert_eq!(server.run(&["dead", "show", "17", "--body"]).await.code(0), "{\"job_id\":7}");
    assert_eq!(server.run(&["dead", "show", "17", "--json"]).await.json()["redrives"], 2);
    assert_eq!(server.lines()[0], "GET /dead/17");
}

#[tokio::test]
async fn a_body_that_is_no_text_is_shown_in_hexadecimal() {
    let own = json!({ "body": "/wBhYg==", "body_encoding": "base64", "body_bytes": 99_000_000, "truncated": true });
    let server = Server::always(200, letter(own)).await;
    let run = server.run(&["dead", "show", "17"]).await;
    assert!(run.code(0).ends_with("ff 00 61 62                                      ..ab\n"), "{}", run.stdout);
    assert!(run.stdout.contains("99000000 bytes, of which only the beginning was kept"), "{}", run.stdout);
}

#[tokio::test]
async fn what_is_long_or_drives_the_terminal_is_not_shown_as_it_is() {
    let long = format!("\u{1b}[31m{}", "x".repeat(20_000));
    let server = Server::always(200, letter(json!({ "body": long }))).await;
    let run = server.run(&["dead", "show", "17"]).await;
    assert!(run.code(0).ends_with("the rest is not shown; --body prints all of it\n"), "{}", run.stdout.len());
    assert!(run.stdout.len() < 9_000);
}

#[tokio::test]
async fn letters_are_redriven_by_their_ids_and_one_that_is_refused_keeps_no_other() {
    let server = Server::start(|asked, _| match asked.line.as_str() {
        "POST /dead/1/redrive" => Reply::Json(200, json!({ "id": 1, "outcome": "sent", "queue": "drover.logs" })),
        "POST /dead/3/redrive" => Reply::Json(200, json!({ "id": 3, "outcome": "retried", "job_id": ID })),
        _ => Reply::Json(409, problem(409, "not_redrivable", "it is no longer so", json!({}))),
    })
    .await;
    let run = server.run(&["dead", "redrive", "1", "2", "3"]).await;
    assert_eq!(run.code(2), "redriven 2 of 3 dead letters\n");
    assert_eq!(run.stderr, format!("1: sent to drover.logs\n3: job {ID} is retried\n2: it is no longer so\n"));
    let json = server.run(&["dead", "redrive", "2", "--json"]).await.json();
    assert_eq!(json, json!({ "matched": 1, "done": 0, "refused": [{ "id": 2, "reason": "it is no longer so" }] }));
}

#[tokio::test]
async fn letters_are_discarded_by_their_ids() {
    let server = Server::start(|_, _| Reply::Empty(204)).await;
    assert_eq!(server.run(&["dead", "discard", "1", "2"]).await.code(0), "discarded 2 of 2 dead letters\n");
    assert_eq!(server.lines(), ["DELETE /dead/1", "DELETE /dead/2"]);
}

#[tokio::test]
async fn all_of_a_filter_is_done_page_by_page() {
    let server = Server::start(|asked, _| {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        match (body["dry_run"].as_bool(), body["cursor"].as_str()) {
            (Some(true), None) => page(2, 0, json!([]), Some("more")),
            (Some(true), _) => page(1, 0, json!([]), None),
            (_, None) => page(2, 1, json!([{ "id": 5, "reason": "no" }]), Some("rest")),
            (..) => page(1, 1, json!([]), None),
        }
    })
    .await;
    let run = server.run(&["dead", "redrive", "--queue", "q", "--reason", "r", "--yes"]).await;
    assert_eq!(run.code(2), "redriven 2 of 3 dead letters\n");
    assert_eq!(run.stderr, "5: no\n");
    let filter = json!({ "queue": "q", "reason": "r" });
    let asked = bodies(&server);
    assert_eq!(asked[0], json!({ "filter": filter, "dry_run": true }));
    assert_eq!(
        asked[1..3],
        [json!({ "filter": filter, "dry_run": true, "cursor": "more" }), json!({ "filter": filter })]
    );
    assert_eq!(asked[3], json!({ "filter": filter, "cursor": "rest" }));
    assert!(server.lines().iter().all(|line| line == "POST /dead/redrive"));

    let json = server.run(&["dead", "redrive", "--all", "--yes", "--json"]).await.json();
    assert_eq!(json, json!({ "matched": 3, "done": 2, "refused": [{ "id": 5, "reason": "no" }] }));
    assert_eq!(bodies(&server)[4], json!({ "all": true, "dry_run": true }));
}

#[tokio::test]
async fn nothing_is_done_before_it_is_sure_that_it_is_meant() {
    let server = Server::start(|_, _| page(3, 0, json!([]), None)).await;
    for action in ["redrive", "discard"] {
        let run = server.run(&["dead", action]).await;
        assert_eq!(run.code(2), "");
        assert!(run.stderr.contains("--queue, --reason, or --all"), "{}", run.stderr);
        let run = server.run(&["dead", action, "--queue", "q"]).await;
        assert_eq!(run.code(2), "");
        assert_eq!(
            run.stderr,
            format!("error: 3 dead letters match; add --yes to {action} them, or --dry-run to count them only\n")
        );
        let run = server.run(&["dead", action, "--queue", "q", "--dry-run"]).await;
        assert_eq!(run.code(0), "3 dead letters would be meant; nothing was done\n");
    }
    assert!(bodies(&server).iter().all(|body| body["dry_run"] == true), "only counted");
    let json = server.run(&["dead", "discard", "--all", "--dry-run", "--json"]).await.json();
    assert_eq!(json, json!({ "matched": 3, "done": 0, "refused": [], "dry_run": true }));
    for args in
        [&["1", "--queue", "q"][..], &["1", "--all"], &["--all", "--reason", "r"], &["--all", "--yes", "--dry-run"]]
    {
        server.run(&[&["dead", "redrive"], args].concat()).await.code(2);
    }
}

#[tokio::test]
async fn nothing_that_matches_is_no_error() {
    let server = Server::start(|_, _| page(0, 0, json!([]), None)).await;
    let run = server.run(&["dead", "discard", "--queue", "q"]).await;
    assert_eq!((run.code(0), run.stderr.as_str()), ("discarded 0 of 0 dead letters\n", "no dead letters match\n"));
}

#[tokio::test]
async fn a_page_that_could_not_be_answered_is_asked_for_again() {
    let busy = || problem(503, "unavailable", "the database is busy", json!({}));
    let server = Server::start(move |asked, before| match asked.body.contains("dry_run") {
        true => page(1, 0, json!([]), None),
        false if before < 3 => Reply::Busy(busy()),
        false => page(1, 1, json!([]), None),
    })
    .await;
    let run = server.run(&["dead", "discard", "--all", "--yes"]).await;
    assert_eq!(run.code(0), "discarded 1 of 1 dead letter\n");
    assert!(run.stderr.contains("the database is busy; trying again"), "{}", run.stderr);
}
