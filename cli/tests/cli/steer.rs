use serde_json::{Value, json};

use crate::harness::{ID, OTHER, Reply, Server, ended, event, job, metadata, problem};

#[tokio::test]
async fn cancel_says_where_the_job_stands() {
    let server = Server::always(202, job("cancelling", json!({}))).await;
    assert_eq!(server.run(&["cancel", ID]).await.code(0), format!("{ID} cancelling\n"));
    let run = server.run(&["cancel", "--now", "--json", ID]).await;
    assert_eq!(run.json()["status"], "cancelling");
    assert_eq!(server.lines(), [format!("POST /jobs/{ID}/cancel"), format!("POST /jobs/{ID}/cancel?now=true")]);
}

fn worker(session: &str, status: &str) -> Value {
    json!({ "session": session, "host": "h", "status": status, "types": ["work"], "concurrency": 1, "running": 0 })
}

#[tokio::test]
async fn drain_finds_the_worker_by_the_end_of_its_session_and_waits() {
    let [one, other] = ["01980c5e-7a00-7d10-8b6e-3f6f3ad3a001", "01980c5e-7a00-7d10-8b6e-3f6f3ad3b002"];
    for (last, code) in [("down", 0), ("lost", 1)] {
        let server = Server::start(move |asked, count| match asked.line.starts_with("POST") {
            true => Reply::Json(202, json!({ "session": one, "draining": true })),
            // A look that fails is no end of the draining.
            false if count == 2 => Reply::Busy(problem(429, "too_many_requests", "60 a minute", json!({}))),
            false if count == 3 => Reply::Empty(502),
            false => {
                let status = if count < 5 { "live" } else { last };
                Reply::Json(200, json!({ "workers": [worker(one, status), worker(other, "live")] }))
            }
        })
        .await;
        let run = server.run(&["drain", "--wait", "3F6F3AD3A001"]).await;
        assert_eq!(run.code(code), format!("{one} {last}\n"));
        assert_eq!(server.lines()[1], format!("POST /workers/{one}/drain"));
    }
}

#[tokio::test]
async fn drain_refuses_what_fits_no_worker_or_several() {
    let workers =
        json!({ "workers": [worker("01980c5e-1", "live"), worker("01980c5f-1", "live"), worker("01-9", "down")] });
    let server = Server::always(200, workers).await;
    let run = server.run(&["drain", "1"]).await;
    assert_eq!(run.code(2), "");
    assert!(run.stderr.contains("\"1\" fits several workers: 01980c5e-1, 01980c5f-1"), "{}", run.stderr);
    let run = server.run(&["drain", "9"]).await;
    assert_eq!(run.code(2), "");
    assert!(run.stderr.contains("no live worker's session is or ends with \"9\""), "{}", run.stderr);
}

/// Asked for was the end of the job: that it is cancelled is success.
#[tokio::test]
async fn cancel_waits_for_the_end() {
    for (status, code) in [("cancelled", 0), ("failed", 1), ("completed", 1), ("completed_with_errors", 3)] {
        let server = Server::start(move |asked, _| match asked.line.starts_with("POST") {
            true => Reply::Json(202, job("cancelling", json!({}))),
            false => Reply::Events { chunks: vec![event("end", &ended(status))], breaks: false },
        })
        .await;
        let run = server.run(&["cancel", "--wait", ID]).await;
        assert_eq!(run.code(code), "", "{status}");
        assert!(run.stderr.contains(&format!("{ID} {status}")), "{}", run.stderr);
    }
}

#[tokio::test]
async fn cancel_of_a_finished_job_is_refused() {
    let own = json!({ "job_status": "completed" });
    let server = Server::always(409, problem(409, "already_finished", "the job has already completed", own)).await;
    let run = server.run(&["cancel", "--wait", ID]).await;
    assert_eq!(run.code(2), "");
    assert_eq!(run.stderr, "error: the job has already completed\n");
}

#[tokio::test]
async fn pause_and_resume_say_where_the_job_stands() {
    let server = Server::start(|asked, _| {
        let paused = asked.line.ends_with("/pause");
        let message = if paused { "Paused: 3 of 4 sub-jobs still running" } else { "Step 1/2: File validation" };
        Reply::Json(202, job("running", json!({ "paused": paused, "message": message })))
    })
    .await;
    let run = server.run(&["pause", ID]).await;
    assert_eq!(run.code(0), format!("{ID} running, paused  Paused: 3 of 4 sub-jobs still running\n"));
    assert_eq!(server.run(&["resume", ID]).await.code(0), format!("{ID} running\n"));
    assert_eq!(server.run(&["resume", "--json", ID]).await.json()["paused"], false);
    assert_eq!(server.lines()[..2], [format!("POST /jobs/{ID}/pause"), format!("POST /jobs/{ID}/resume")]);
}

#[tokio::test]
async fn pause_waits_until_nothing_runs() {
    let state = |paused: bool, running: u64| {
        let mut metadata = metadata("Paused");
        metadata["steps"][1]["running"] = running.into();
        job("running", json!({ "paused": paused, "paused_at": "2026-07-26T12:00:30Z", "metadata": metadata }))
    };
    for (last, code, words) in [
        (event("job", &state(true, 0)), 0, ""),
        (event("job", &state(false, 2)), 1, "somebody has resumed it meanwhile"),
        (event("end", &ended("completed")), 0, ""),
    ] {
        let server = Server::start(move |asked, _| match asked.line.starts_with("POST") {
            true => Reply::Json(202, state(true, 4)),
            false => Reply::OpenEvents(vec![event("job", &state(true, 3)), last.clone()]),
        })
        .await;
        let run = server.run(&["pause", "--wait", ID]).await;
        run.code(code);
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert_eq!(server.lines(), [format!("POST /jobs/{ID}/pause"), format!("GET /jobs/{ID}/events")]);
    }
}

#[tokio::test]
async fn a_refused_pause_says_why() {
    let own = json!({ "job_status": "running" });
    let server = Server::always(409, problem(409, "at_work", "a worker runs it", own)).await;
    let run = server.run(&["pause", ID]).await;
    assert_eq!((run.code(2), run.stderr.as_str()), ("", "error: a worker runs it\n"));
}

fn pause(name: &str, acknowledged: u64, unaware: u64) -> Value {
    let workers = json!({ "live": 3, "acknowledged": acknowledged, "unaware": unaware });
    json!({ "type": name, "paused": true, "paused_at": "2026-07-26T12:00:00Z", "reason": null, "workers": workers })
}

#[tokio::test]
async fn a_pause_of_a_type_tells_who_has_acknowledged() {
    let server = Server::start(|asked, _| {
        let name = if asked.line.contains("validate_import") { "validate_import" } else { "*" };
        let resumed = json!({ "type": name, "paused": false });
        Reply::Json(202, if asked.line.contains("/pause") { pause(name, 2, 0) } else { resumed })
    })
    .await;
    let run = server.run(&["pause", "--type", "validate_import", "--reason", "new disks"]).await;
    assert_eq!(run.code(0), "validate_import paused; 2 of 3 workers have acknowledged\n");
    assert_eq!(
        server.run(&["pause", "--all"]).await.code(0),
        "all job types paused; 2 of 3 workers have acknowledged\n"
    );
    assert_eq!(server.run(&["resume", "--type", "validate_import"]).await.code(0), "validate_import resumed\n");
    assert_eq!(server.run(&["pause", "--all", "--json"]).await.json()["workers"]["acknowledged"], 2);
    assert_eq!(
        server.lines(),
        [
            "POST /types/validate_import/pause?reason=new+disks",
            "POST /types/pause",
            "POST /types/validate_import/resume",
            "POST /types/pause"
        ]
    );
}

#[tokio::test]
async fn a_pause_of_a_type_waits_for_the_workers() {
    for (last, code, words) in [
        (json!([pause("t", 3, 0)]), 0, "t paused; 3 of 3 workers have acknowledged\n"),
        (
            json!([pause("other", 0, 0), pause("t", 2, 1)]),
            1,
            "t paused; 2 of 3 workers have acknowledged; 1 of an older version go on taking jobs: start them anew with this one\n",
        ),
        (json!([pause("other", 3, 0)]), 1, "t resumed\n"),
    ] {
        let server = Server::start(move |asked, before| match (asked.line.starts_with("POST"), before) {
            (true, _) => Reply::Json(202, pause("t", 1, 0)),
            (false, 0) => Reply::Json(200, json!({ "paused": [pause("t", 2, 0)] })),
            (false, _) => Reply::Json(200, json!({ "paused": last })),
        })
        .await;
        assert_eq!(server.run(&["pause", "--type", "t", "--wait"]).await.code(code), words);
        assert_eq!(server.lines(), ["POST /types/t/pause", "GET /pauses", "GET /pauses"]);
    }
}

#[tokio::test]
async fn a_resume_of_all_names_what_is_still_paused() {
    let server = Server::start(|asked, _| match asked.line.starts_with("POST") {
        true => Reply::Json(202, json!({ "type": "*", "paused": false })),
        false => Reply::Json(200, json!({ "paused": [pause("t", 3, 0)] })),
    })
    .await;
    let run = server.run(&["resume", "--all"]).await;
    assert_eq!(run.code(0), "all job types resumed\n");
    assert_eq!(run.stderr, "t is still paused: `drover resume --type t`\n");
}

#[tokio::test]
async fn exactly_one_thing_is_paused() {
    let server = Server::always(500, json!({})).await;
    for args in
        [&["pause"][..], &["pause", ID, "--all"], &["resume", "--all", "--type", "t"], &["pause", ID, "--reason", "r"]]
    {
        server.run(args).await.code(2);
    }
    assert_eq!(server.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn retry_begins_where_it_is_told() {
    let server = Server::start(|asked, _| match asked.line.starts_with("POST") {
        true => Reply::Json(202, job("pending", json!({}))),
        false => Reply::Events { chunks: vec![event("end", &ended("completed"))], breaks: false },
    })
    .await;
    assert_eq!(server.run(&["retry", ID]).await.code(0), format!("{ID} pending\n"));
    assert_eq!(server.run(&["retry", "--from", "start", "--wait", ID]).await.code(0), "");
    assert_eq!(
        server.lines()[..2],
        [format!("POST /jobs/{ID}/retry?from=failed"), format!("POST /jobs/{ID}/retry?from=start")]
    );
}

#[tokio::test]
async fn a_refused_retry_names_the_way_out() {
    for (answer, words) in [
        (problem(409, "parent_finished", "its workflow has ended", json!({})), "hint: retry the workflow"),
        (problem(409, "not_finished", "it runs", json!({ "job_status": "running" })), "hint: `drover watch"),
    ] {
        let server = Server::always(409, answer).await;
        let run = server.run(&["retry", ID]).await;
        assert_eq!(run.code(2), "");
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}

#[tokio::test]
async fn delete_is_silent_about_nothing() {
    let server = Server::start(|_, _| Reply::Empty(204)).await;
    assert_eq!(server.run(&["delete", ID]).await.code(0), format!("{ID} deleted\n"));
    let run = server.run(&["delete", "--json", ID]).await;
    assert_eq!(run.json(), json!({ "id": ID, "deleted": true }));
    assert_eq!(server.lines()[0], format!("DELETE /jobs/{ID}"));
}

#[tokio::test]
async fn a_refused_delete_names_the_way_out() {
    let refused = |own| problem(409, "not_finished", "it cannot be deleted", own);
    let running = json!({ "job_status": "running" });
    for (answer, of_job, words) in [
        (refused(running), json!({}), format!("hint: `drover cancel --wait {ID}` ends it; then delete it")),
        (refused(json!({})), json!({ "parent_id": OTHER, "root_id": OTHER }), format!("`drover delete {OTHER}`")),
    ] {
        let server = Server::start(move |asked, _| match asked.line.starts_with("DELETE") {
            true => Reply::Json(409, answer.clone()),
            false => Reply::Json(200, job("running", of_job.clone())),
        })
        .await;
        let run = server.run(&["delete", ID]).await;
        assert_eq!(run.code(2), "");
        assert!(run.stderr.contains("error: it cannot be deleted\n"), "{}", run.stderr);
        assert!(run.stderr.contains(&words), "{}", run.stderr);
    }
}
