//! What several suites look at.

use serde_json::Value;

/// The fields of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default();
    keys.sort_unstable();
    keys
}

/// Checks that a workflow's metadata has exactly the shape that other systems read.
pub(crate) fn assert_metadata(job: &Value) {
    let metadata = &job["metadata"];
    assert_eq!(
        keys(metadata),
        ["active_sub_job", "current_step", "message", "step_name", "steps", "total_steps"],
        "{metadata}"
    );
    for step in metadata["steps"].as_array().expect("steps is a list") {
        assert_eq!(
            keys(step),
            [
                "done",
                "failed",
                "finished_at",
                "key",
                "progress",
                "running",
                "started_at",
                "status",
                "title",
                "total",
                "weight"
            ],
            "{step}"
        );
    }
}

/// Checks that a workflow's result has exactly the shape that other systems read.
pub(crate) fn assert_result(job: &Value) {
    let result = &job["result"];
    let expected = if result.get("error").is_some() {
        vec!["error", "job_id", "status", "steps", "summary"]
    } else {
        vec!["job_id", "status", "steps", "summary"]
    };
    assert_eq!(keys(result), expected, "{result}");
    assert_eq!(result["job_id"], job["id"]);
    assert_eq!(result["status"], job["status"]);
    assert!(result["summary"]["total_errors"].is_u64(), "{result}");
    for (key, step) in result["steps"].as_object().expect("steps is an object") {
        let parts = step.as_array().cloned().unwrap_or_else(|| vec![step.clone()]);
        for part in parts {
            assert_eq!(keys(&part), ["duration_seconds", "error", "job_id", "result", "status"], "{key}: {part}");
        }
    }
}

/// The status of a step in the metadata.
pub(crate) fn step<'a>(job: &'a Value, key: &str) -> &'a Value {
    let steps = job["metadata"]["steps"].as_array().expect("steps is a list");
    steps.iter().find(|step| step["key"] == key).unwrap_or(&Value::Null)
}
