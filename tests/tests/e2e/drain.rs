//! A drain: the worker that is told finishes what it runs, takes nothing new, and ends.

use drover_tests::{fleet::PATIENCE, wait};
use reqwest::Method;
use serde_json::{Value, json};

use crate::workflows;

#[tokio::test]
async fn a_worker_that_is_told_to_drain_finishes_what_it_runs_and_ends() {
    let mut fleet = workflows::fleet().await;
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let running = fleet.submit("script", json!({ "gate": gate })).await.expect("accepted");
    fleet.until(&running, "it to run", |job| job["status"] == "running").await.expect("it runs");

    let workers = fleet.get("/api/v1/workers").await.expect("listed");
    let session = workers["workers"][0]["session"].as_str().expect("a session").to_owned();
    let path = format!("/api/v1/workers/{session}/drain");
    let (status, told) = fleet.request(Method::POST, &path, None).await.expect("answered");
    assert_eq!(status, 202, "{told}");
    let of = async |session: &str| -> anyhow::Result<Value> {
        let workers = fleet.get("/api/v1/workers").await?;
        let found =
            workers["workers"].as_array().and_then(|all| all.iter().find(|worker| worker["session"] == session));
        Ok(found.cloned().unwrap_or_default())
    };
    wait::until("it to say that it drains", PATIENCE, async || {
        let worker = of(&session).await?;
        Ok(if worker["draining"] == true { wait::Seen::Yes(()) } else { wait::Seen::not_yet(worker) })
    })
    .await
    .expect("it heard");

    // Nobody takes it until another worker is there.
    let next = fleet.submit("script", json!({})).await.expect("accepted");
    fleet.until_published(&next).await.expect("it lies in its queue");
    let other = fleet.spawn_worker("drover-test-worker", &[]).expect("started");
    fleet.workers.push(other);
    assert_eq!(fleet.ended(&next).await.expect("it ends")["status"], "completed");

    std::fs::write(&gate, "").expect("written");
    let job = fleet.ended(&running).await.expect("it ends");
    assert_eq!((&job["status"], &job["attempt"]), (&json!("completed"), &json!(1)), "{job}");
    let exit = fleet.workers[0].wait_for_exit(PATIENCE).await.expect("it ends");
    assert!(exit.success(), "{exit}");
    let (status, gone) = fleet.request(Method::POST, &path, None).await.expect("answered");
    assert_eq!((status, &gone["kind"]), (409, &json!("worker_gone")), "{gone}");
    fleet.silence();
}
