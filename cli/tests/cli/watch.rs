use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
};

use crate::harness::{ID, Reply, Server, ended, event, job, metadata, problem};

fn running(message: &str) -> Value {
    job("running", json!({ "metadata": metadata(message) }))
}

fn events(chunks: Vec<String>) -> Reply {
    Reply::Events { chunks, breaks: false }
}

#[tokio::test]
async fn shows_changes_beside_and_the_end_as_data() {
    for (status, code) in [("completed", 0), ("failed", 1), ("cancelled", 1), ("completed_with_errors", 3)] {
        let server = Server::start(move |_, _| {
            let first = event("job", &running("Step 1/2: File validation"));
            let cut = first.len() / 2;
            let chunks = vec![first[..cut].to_owned(), first[cut..].to_owned(), event("end", &ended(status))];
            events(chunks)
        })
        .await;
        let run = server.run(&["watch", ID]).await;
        run.code(code);
        assert!(run.stderr.contains("running 45.2%  Step 1/2: File validation\n"), "{}", run.stderr);
        assert!(run.stderr.contains(status), "{}", run.stderr);
        assert!(run.stdout.starts_with(&format!("Data import {ID} {status} in 1m 12s\n")), "{}", run.stdout);
        assert!(run.stdout.contains("  total_errors  2\n  total_files   240\n"), "{}", run.stdout);
        assert_eq!(run.stdout.contains("Error step_failed: File processing: disk is full"), status == "failed");
        assert_eq!(server.lines(), [format!("GET /jobs/{ID}/events")]);
    }
}

#[tokio::test]
async fn as_json_each_state_is_a_line() {
    let states = [running("a"), running("b"), ended("completed")];
    let sent = states.clone();
    let server = Server::start(move |_, _| {
        let mut chunks: Vec<String> = sent.iter().map(|state| event("job", state)).collect();
        chunks.push(event("end", &sent[2]));
        events(chunks)
    })
    .await;
    let run = server.run(&["--json", "watch", ID]).await;
    let lines: Vec<Value> = run.code(0).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, states);
    assert_eq!(run.stderr, "");
}

#[tokio::test]
async fn a_broken_stream_is_opened_again() {
    for breaks in [true, false] {
        let server = Server::start(move |asked, before| match (asked.line.ends_with("/events"), before) {
            (true, 0) => Reply::Events { chunks: vec![event("job", &running("first"))], breaks },
            (true, _) => events(vec![event("job", &running("third")), event("end", &ended("completed"))]),
            (false, _) => Reply::Json(200, running("second")),
        })
        .await;
        let run = server.run(&["watch", ID]).await;
        run.code(0);
        assert!(run.stderr.contains("trying again"), "{}", run.stderr);
        assert!(run.stdout.contains("completed in"), "{}", run.stdout);
        let expected = [format!("GET /jobs/{ID}/events"), format!("GET /jobs/{ID}"), format!("GET /jobs/{ID}/events")];
        assert_eq!(server.lines(), expected);
    }
}

/// What only keeps the connection alive was heard of the server, too.
#[tokio::test]
async fn a_quiet_stream_that_ends_is_opened_again() {
    let server = Server::start(|asked, before| match (asked.line.ends_with("/events"), before) {
        (true, 0) => events(vec![": keep-alive\n\n".into()]),
        (true, _) => events(vec![event("end", &ended("completed"))]),
        (false, _) => Reply::Busy(problem(503, "unavailable", "the database is away", json!({}))),
    })
    .await;
    server.run(&["watch", ID]).await.code(0);
}

#[tokio::test]
async fn without_a_stream_the_job_is_asked_for() {
    let server = Server::start(|asked, before| match (asked.line.ends_with("/events"), before) {
        (true, _) => Reply::Busy(problem(503, "unavailable", "no streams now", json!({}))),
        (false, 0) => Reply::Json(200, running("first")),
        (false, _) => Reply::Json(200, ended("completed")),
    })
    .await;
    let run = server.run(&["watch", ID]).await;
    assert!(run.code(0).contains("completed in"), "{}", run.stdout);
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn a_job_that_is_not_there_is_told() {
    let server = Server::always(404, problem(404, "not_found", &format!("there is no job {ID}"), json!({}))).await;
    let run = server.run(&["watch", ID]).await;
    assert_eq!(run.code(2), "");
    assert_eq!(run.stderr, format!("error: there is no job {ID}\n"));
}

#[tokio::test]
async fn a_job_that_is_deleted_meanwhile_ends_the_watching() {
    let server = Server::start(|asked, _| {
        if asked.line.ends_with("/events") {
            return Reply::Events { chunks: vec![event("job", &running("first"))], breaks: true };
        }
        Reply::Json(404, problem(404, "not_found", "there is no such job", json!({})))
    })
    .await;
    let run = server.run(&["watch", ID]).await;
    run.code(2);
    assert!(run.stderr.contains("error: there is no such job"), "{}", run.stderr);
}

#[tokio::test]
async fn an_interrupt_leaves_the_job_running_and_says_so() {
    let server = Server::start(|_, _| Reply::OpenEvents(vec![event("job", &running("working"))])).await;
    let mut child = server.command(&["watch", ID]).stdin(Stdio::null()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).await.unwrap();
    assert!(line.contains("working"), "{line}");
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let status = child.wait().await.unwrap();
    assert_eq!(status.code(), Some(130));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, format!("job {ID} goes on. `drover watch {ID}` follows it again, `drover cancel {ID}` ends it\n"));
    assert_eq!(server.lines().len(), 1, "nothing was cancelled");
}

#[tokio::test]
async fn a_job_that_waits_for_nobody_gets_a_line_without_steps() {
    let server = Server::start(|_, _| {
        let plain = json!({ "metadata": null, "message": null, "title": null, "processed": 3, "total": 9 });
        let mut end = ended("completed");
        end["result"] = json!({ "rows": 9 });
        events(vec![event("job", &job("running", plain)), event("end", &end)])
    })
    .await;
    let run = server.run(&["watch", ID]).await;
    assert_eq!(run.code(0), format!("Data import {ID} completed in 1m 12s\n"));
    assert!(run.stderr.contains("running 45.2%  3/9\n"), "{}", run.stderr);
}
