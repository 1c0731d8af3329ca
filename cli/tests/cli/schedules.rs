use serde_json::{Value, json};

use crate::harness::{ID, Reply, Server, problem, run};

fn schedule(over: Value) -> Value {
    let mut one = json!({
        "name": "nightly_import", "title": "Nightly import", "cron": "0 3 * * *", "description": "At 03:00",
        "time_zone": "Europe/Berlin", "overlap": "skip", "catch_up": "last", "input": { "path": "/in" }, "enabled": true,
        "switched_at": null, "next_at": "2026-07-02T01:00:00Z", "queued": 0, "last_at": "2026-07-01T01:00:00Z",
        "last_outcome": "fired", "last_reason": "2 earlier missed", "last_job": { "id": ID, "status": "running" },
    });
    for (key, value) in over.as_object().unwrap() {
        one[key] = value.clone();
    }
    one
}

#[tokio::test]
async fn schedules_are_listed_within_the_terminal() {
    let long = schedule(
        json!({ "name": "a_schedule_with_a_name_of_some_length", "cron": "0,10,20,30,40,50 8-17 1-7 JAN-JUN MON-FRI" }),
    );
    let off = schedule(
        json!({ "name": "off", "enabled": false, "next_at": null, "last_at": null, "last_outcome": null, "last_job": null }),
    );
    let page = json!({ "schedules": [schedule(json!({})), long, off], "next_cursor": "abc" });
    let server = Server::always(200, page).await;
    let whole = server.run(&["schedules"]).await;
    let lines: Vec<&str> = whole.code(0).lines().collect();
    assert!(lines[0].starts_with("NAME  ") && lines[0].ends_with("LATEST RUN"), "{lines:?}");
    assert!(lines[1].starts_with("nightly_import") && lines[1].ends_with("fired   running"), "{lines:?}");
    assert!(lines[3].ends_with("off"), "{lines:?}");
    assert_eq!(whole.stderr, "there are more: add --cursor abc\n");
    for columns in [60, 80, 120] {
        let mut command = server.command(&["schedules"]);
        command.env("COLUMNS", columns.to_string());
        let narrow = run(command, "").await;
        let longest = narrow.code(0).lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= columns, "{longest} of {columns}:\n{}", narrow.stdout);
    }
    assert_eq!(server.lines()[0], "GET /schedules?limit=50");
    let json = server.run(&["schedules", "--json", "--limit", "7", "--cursor", "x"]).await;
    json.code(0);
    assert_eq!(json.json()["schedules"][0]["name"], "nightly_import");
    assert_eq!(server.lines().last().unwrap(), "GET /schedules?limit=7&cursor=x");
}

#[tokio::test]
async fn no_schedules_say_how_to_get_one() {
    let server = Server::always(200, json!({ "schedules": [], "next_cursor": null })).await;
    let empty = server.run(&["schedules"]).await;
    assert_eq!(empty.code(0), "");
    assert!(empty.stderr.contains("`schedule:`"), "{}", empty.stderr);
}

#[tokio::test]
async fn one_is_shown_with_its_next_times() {
    let next = ["2026-07-02T03:00:00+02:00", "2026-07-03T03:00:00+02:00"];
    let server = Server::always(200, schedule(json!({ "next": next, "queued": 2 }))).await;
    let shown = server.run(&["schedules", "show", "nightly_import"]).await;
    for part in [
        "nightly_import: Nightly import\n",
        "cron        0 3 * * *  (At 03:00, Europe/Berlin)\n",
        "state       on\n",
        "input       {\"path\":\"/in\"}\n",
        "queued      2 times wait",
        "fired: 2 earlier missed\n",
        "next        Thu 2026-07-02 03:00:00 +02:00\n            Fri 2026-07-03 03:00:00 +02:00\n",
    ] {
        assert!(shown.code(0).contains(part), "{part} in\n{}", shown.stdout);
    }
    assert!(shown.stdout.contains(&format!("latest run  {ID} running")), "{}", shown.stdout);
    assert_eq!(server.lines(), ["GET /schedules/nightly_import"]);
}

#[tokio::test]
async fn one_is_turned_on_and_off() {
    let server = Server::start(|asked, _| {
        let on = asked.line.ends_with("/enable");
        Reply::Json(200, schedule(json!({ "enabled": on, "next_at": on.then_some("2026-07-02T01:00:00Z") })))
    })
    .await;
    assert_eq!(server.run(&["schedules", "disable", "nightly_import"]).await.code(0), "nightly_import is off\n");
    let on = server.run(&["schedules", "enable", "nightly_import"]).await;
    assert!(on.code(0).starts_with("nightly_import is on; next 2026-07-0"), "{}", on.stdout);
    let lines = ["POST /schedules/nightly_import/disable", "POST /schedules/nightly_import/enable"];
    assert_eq!(server.lines(), lines);
}

#[tokio::test]
async fn one_is_run_now_with_a_key_that_makes_repeats_harmless() {
    let server = Server::start(|_, before| match before {
        0 => Reply::Busy(problem(503, "unavailable", "the database is away", json!({}))),
        _ => Reply::Json(201, json!({ "id": ID, "status": "pending", "duplicate": false })),
    })
    .await;
    let ran = server.run(&["schedules", "run", "nightly_import"]).await;
    assert_eq!(ran.code(0), format!("{ID}\n"));
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].headers["idempotency-key"], asked[1].headers["idempotency-key"]);
}

#[tokio::test]
async fn what_is_no_schedule_is_refused_with_the_way_out() {
    let detail = "there is no schedule \"x\"; `drover schedules` lists them";
    let server = Server::always(404, problem(404, "not_found", detail, json!({}))).await;
    for action in ["show", "enable", "disable", "run"] {
        let refused = server.run(&["schedules", action, "x"]).await;
        refused.code(2);
        assert!(refused.stderr.contains(detail), "{}", refused.stderr);
        let named = server.run(&["schedules", action, "../jobs"]).await;
        named.code(2);
        assert!(named.stderr.contains("drover schedules"), "{}", named.stderr);
    }
    assert!(server.lines().iter().all(|line| line.contains("/schedules/x")), "{:?}", server.lines());
}
