use serde_json::json;

use crate::harness::{ID, OTHER, Server, ended, job, metadata};

#[tokio::test]
async fn a_page_has_header_steps_summary_and_error() {
    let server = Server::always(200, ended("failed")).await;
    let run = server.run(&["show", ID]).await;
    let page = run.code(0);
    for words in [
        "data_import: Data import\n",
        &format!("id          {ID}\n"),
        "status      failed\n",
        "45.2%",
        "started     2026-07-26 12:00:01\n",
        "finished    2026-07-26 12:01:13 (took 1m 12s)\n",
        "labels      team=sales\n",
        "✓  File validation  completed  ████████████████   100%     1/1 ",
        "▶  File processing  running    █████░░░░░░░░░░░  31.5%  70/240       2",
        " 5s\n",
        "Summary\n  total_errors  2\n  total_files   240\n",
        "Error step_failed: File processing: disk is full (may succeed when tried again)\n",
    ] {
        assert!(page.contains(words), "{words:?} is missing in\n{page}");
    }
    assert_eq!(run.stderr, "");
}

#[tokio::test]
async fn a_sub_job_names_its_parent() {
    let own =
        json!({ "parent_id": OTHER, "step": "validation", "attempt": 2, "title": null, "processed": 3, "total": 4 });
    let server = Server::always(200, job("running", own)).await;
    let run = server.run(&["show", ID]).await;
    for words in [&format!("parent      {OTHER} (step validation)\n"), "attempt     2\n", "45.2%  3/4\n"] {
        assert!(run.code(0).contains(words), "{words:?} is missing in\n{}", run.stdout);
    }
    assert!(run.stdout.contains("status      running  Step 1/2: File validation\n"), "{}", run.stdout);
}

#[tokio::test]
async fn a_job_that_has_not_ended_says_why_it_is_where_it_is() {
    let server = Server::always(200, job("pending", json!({ "why": "waiting: no live worker takes type a" }))).await;
    let run = server.run(&["show", ID]).await;
    assert!(run.code(0).contains("\nwhy         waiting: no live worker takes type a\n"), "{}", run.stdout);
    let server = Server::always(200, job("completed", json!({ "why": null }))).await;
    assert!(!server.run(&["show", ID]).await.stdout.contains("\nwhy"));
}

#[tokio::test]
async fn json_is_the_answer_as_it_came() {
    let job = job("running", json!({ "metadata": metadata("x"), "of_a_later_version": [1] }));
    let server = Server::always(200, job.clone()).await;
    let run = server.run(&["show", "--json", ID]).await;
    run.code(0);
    assert_eq!(run.json(), job);
}

#[tokio::test]
async fn the_result_stands_alone() {
    let server = Server::always(200, ended("completed")).await;
    let run = server.run(&["show", "--result", ID]).await;
    run.code(0);
    assert_eq!(run.json(), ended("completed")["result"]);

    let server = Server::always(200, job("running", json!({}))).await;
    let run = server.run(&["show", "--result", ID]).await;
    assert_eq!(run.code(2), "");
    let text = format!("error: job {ID} is running and has no result; `drover watch` waits for its end\n");
    assert_eq!(run.stderr, text);
}

#[tokio::test]
async fn a_command_that_makes_no_sense_is_json_too_for_those_who_asked() {
    let server = Server::always(200, json!({})).await;
    for args in [["--json", "show", "nonsense"], ["list", "--json", "--status=bogus"]] {
        let run = server.run(&args).await;
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert_eq!(run.json()["error"]["kind"], "usage", "{}", run.stdout);
        let detail = run.json()["error"]["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.starts_with("invalid value") && run.stderr.contains(&detail), "{detail}");
    }
    assert_eq!(server.run(&["show", "nonsense"]).await.stdout, "");
    assert!(server.lines().is_empty(), "nobody was asked");
}
