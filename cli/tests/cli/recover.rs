use serde_json::{Value, json};

use crate::harness::{Reply, Server, problem};

#[tokio::test]
async fn what_is_recovered_is_added_up_page_by_page() {
    let server = Server::start(|asked, _| {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let first = body["cursor"].is_null();
        let (retried, next) = if first { (3, Some("more")) } else { (0, None) };
        Reply::Json(200, json!({ "redispatched": 2, "retried": retried, "next_cursor": next }))
    })
    .await;
    assert_eq!(server.run(&["recover"]).await.code(0), "dispatched again 4, retried 3\n");
    let bodies: Vec<String> = server.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, [r#"{"older_than_seconds":5}"#, r#"{"cursor":"more","older_than_seconds":5}"#]);
    assert!(server.lines().iter().all(|line| line == "POST /recover"));
    let run = server.run(&["recover", "--older-than", "2m", "--json"]).await;
    assert_eq!(run.json(), json!({ "redispatched": 4, "retried": 3 }));
    assert!(server.asked()[2].body.contains("120"));
}

#[tokio::test]
async fn one_that_cannot_tell_what_was_started_is_asked_again() {
    let behind = || problem(503, "behind", "events of the last 9 seconds are not folded yet", json!({}));
    let server = Server::start(move |_, before| match before {
        0 => Reply::Busy(behind()),
        _ => Reply::Json(200, json!({ "redispatched": 0, "retried": 0, "next_cursor": null })),
    })
    .await;
    let run = server.run(&["recover"]).await;
    assert_eq!(run.code(0), "dispatched again 0, retried 0\n");
    assert!(run.stderr.contains("not folded yet; trying again"), "{}", run.stderr);
    server.run(&["recover", "--older-than", "soon"]).await.code(2);
}
