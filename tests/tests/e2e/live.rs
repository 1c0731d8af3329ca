//! What a person sees while a workflow runs: every state that the live stream shows, from two replicas.

use drover_tests::{Fleet, fleet::PATIENCE};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::import::{self, Data};

/// Every event of a job's live stream at one replica, until its end.
async fn stream(fleet: &Fleet, replica: usize, id: &str) -> Vec<(String, Value)> {
    let url = format!("{}/api/v1/jobs/{id}/events", fleet.orchestrators[replica].url);
    let response = reqwest::get(url).await.expect("answered");
    assert_eq!(response.status(), 200);
    let (mut body, mut text) = (response.bytes_stream(), String::new());
    let read = async {
        while let Some(bytes) = body.next().await {
            text.push_str(&String::from_utf8_lossy(&bytes.expect("read")));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("it ends with the job");
    let events = text.split("\n\n").filter(|event| event.contains("data:"));
    let field = |event: &str, name: &str| {
        let value = event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        value.trim_start().to_owned()
    };
    let read = |event: &str| (field(event, "event:"), serde_json::from_str(&field(event, "data:")).expect("JSON"));
    events.map(read).collect()
}

fn assert_never_back(seen: &[f64], what: &str) {
    assert!(seen.is_sorted(), "{what} went back: {seen:?}");
}

#[tokio::test]
async fn fault_2_9_10_12_what_is_shown_live_never_goes_back_and_ends_with_its_result() {
    let data = Data::generate(120, 60_000, 4);
    let fleet = import::fleet(2, 2).await;
    let id = fleet.submit("data_import", data.params()).await.expect("accepted");
    let (here, there) = tokio::join!(stream(&fleet, 0, &id), stream(&fleet, 1, &id));
    for events in [here, there] {
        let shown = |field: &str| -> Vec<f64> {
            events.iter().filter_map(|(_, job)| job.pointer(field).and_then(Value::as_f64)).collect()
        };
        assert_never_back(&shown("/metadata/current_step"), "fault 2: the step");
        assert_never_back(&shown("/progress"), "fault 12: the bar");
        let ((last, job), before) = events.split_last().expect("events");
        assert!(before.iter().all(|(_, job)| job["progress"].as_f64() < Some(100.0)), "fault 9: full before the end");
        assert!(before.len() > 2, "it moved on the way: {events:?}");
        assert_eq!((last.as_str(), &job["status"]), ("end", &json!("completed")));
        assert_eq!(job["progress"], 100.0);
        assert!(job["result"]["summary"]["total_rows"].is_u64(), "fault 10: the result is there with the status");
    }
}

#[tokio::test]
async fn fault_3_the_last_message_of_a_job_is_kept() {
    let fleet = crate::workflows::fleet().await;
    // Reported right before the end, within the pause between two reports.
    let job = fleet.run("script", json!({ "message": "the last word", "progress": [10.0, 80.0, 40.0] })).await;
    assert_eq!(job.expect("it ends")["message"], "the last word");
    let params =
        json!({ "message": "the last word", "progress": [80.0, 40.0], "fail_attempts": 1, "retryable": false });
    let job = fleet.run("script", params).await.expect("it ends");
    assert_eq!(job["message"], "the last word");
    assert_eq!(job["progress"], 80.0, "the highest counts");
}
