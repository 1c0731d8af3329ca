//! Plans that wait for a person.

use drover_tests::{
    fleet,
    wait::{self, Seen},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Library, assert_summary, definition_with};

/// Waits until so many plans wait for an answer: the sub-jobs that wait.
pub(super) async fn waiting(library: &Library, count: usize) -> Vec<Value> {
    let jobs = "/api/v1/jobs?type=signal&status=running&parent=any";
    wait::until("the plans to wait", fleet::PATIENCE, async || {
        let found = library.fleet.get(jobs).await?["jobs"].as_array().cloned().unwrap_or_default();
        Ok(if found.len() == count { Seen::Yes(found) } else { Seen::not_yet(json!(found)) })
    })
    .await
    .expect("they wait")
}

pub(super) async fn answer(library: &Library, job: &Value, approved: bool, reason: &str) {
    let path = format!("/api/v1/jobs/{}/answer", job["id"].as_str().expect("an id"));
    let body = json!({ "approved": approved, "reason": reason });
    let (status, answered) = library.fleet.request(Method::POST, &path, Some(body)).await.expect("asked");
    assert_eq!(status, 200, "{answered}");
}

async fn reasons(library: &Library, status: &str) -> Vec<String> {
    library.texts(&format!("SELECT COALESCE(reason, '') FROM media.plans WHERE status = '{status}'")).await
}

#[tokio::test]
async fn plans_wait_for_a_person_who_approves_one_and_refuses_another() {
    let library = Library::new().await;
    for name in ["one.mp4", "two.mp4", "three.mp4"] {
        library.download(name, 1);
    }
    let id = library.submit(json!({ "approve": "manual", "batch_size": 2 })).await;
    let plans = waiting(&library, 2).await;
    assert_eq!(reasons(&library, "pending").await, ["", ""]);
    assert_eq!(
        library.number("SELECT count(*) FROM media.tags").await,
        0,
        "nothing is written before somebody answers"
    );
    answer(&library, &plans[0], true, "seen").await;
    answer(&library, &plans[1], false, "it is \"too dark\"").await;
    let job = library.fleet.ended(&id).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    assert_eq!(reasons(&library, "applied").await.len(), 1);
    let refused = reasons(&library, "refused").await;
    assert!(refused.len() == 1 && refused[0].contains("it is \"too dark\""), "{refused:?}");
    let applied = library.number("SELECT count(*) FROM media.plan_changes WHERE status = 'applied'").await;
    assert!(applied > 0);
    let of_one = "SELECT count(*) FROM media.tags t JOIN media.plans p ON p.id = t.plan_id WHERE p.status <> 'applied'";
    assert_eq!(library.number(of_one).await, 0);
    assert_summary(&job, &[("total_changes_applied", applied.unsigned_abs()), ("total_scenes_analyzed", 3)]);
    let again = library.run(json!({ "approve": "manual" })).await;
    assert_summary(&again, &[("total_scenes_analyzed", 0)]);
}

#[tokio::test]
async fn a_plan_that_nobody_answers_in_time_is_refused_and_the_run_goes_on() {
    let library = Library::with(&definition_with("timeout: 7d", "timeout: 1s"), &[]).await;
    library.download("one.mp4", 1);
    let job = library.run(json!({ "approve": "manual" })).await;
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    assert_eq!(reasons(&library, "refused").await, ["nobody answered within its timeout of 1s"]);
    assert_eq!(library.number("SELECT count(*) FROM media.tags").await, 0);
    assert_summary(&job, &[("total_scenes_analyzed", 1), ("total_changes_approved", 0), ("total_changes_applied", 0)]);
    assert_eq!(library.sum("generate", "generated").await, 3, "the steps after it ran");
    let again = library.run(json!({ "approve": "manual" })).await;
    assert_eq!(again["status"], "completed", "nobody is asked again: {again}");
}
