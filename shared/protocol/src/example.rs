//! One example of every message and of every kind of event: they stand in the AsyncAPI document and in
//! `docs/wire/README.md`, and the tests hold the types against them.

use serde_json::{Value, json};

use crate::{Control, JobEvent, JobMessage, MessageType, Notification, Submission, SubmissionReply, WorkerEvent};

const WORKFLOW: &str = "01980c5e-7a00-7d10-8b6e-3f6f3ad3a001";
const JOB: &str = "01980c5e-7a31-7b42-9d0e-6b1f0c9e7002";
const SESSION: &str = "01980c5d-1180-7c55-a1f3-0d9c55e0b003";
const CONTROL: &str = "01980c5e-9c40-7f7e-8d20-5a7e1f44c004";

/// The examples of one message type.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    /// The `type` property, for example `drover.job.v1`.
    pub type_property: String,
    /// The bodies: one, or one of each kind.
    pub bodies: Vec<Value>,
}

/// The examples of every message type.
#[must_use]
pub fn all() -> Vec<Examples> {
    fn entry<T: MessageType>(bodies: Vec<Value>) -> Examples {
        Examples { type_property: T::type_property(), bodies }
    }
    vec![
        entry::<JobMessage>(vec![job()]),
        entry::<JobEvent>(events()),
        entry::<WorkerEvent>(worker_events()),
        entry::<Control>(controls()),
        entry::<Submission>(vec![submission()]),
        entry::<SubmissionReply>(replies()),
        entry::<Notification>(vec![notification()]),
    ]
}

fn job() -> Value {
    json!({
        "id": JOB, "type": "validate_import", "attempt": 1, "dispatch": 1, "parent_id": WORKFLOW, "root_id": WORKFLOW,
        "step": "validation", "params": { "path": "/imports/2026-07" }, "timeout_seconds": 1800.0,
        "deadline": "2026-07-26T18:00:00Z", "idempotency_key": JOB,
    })
}

/// Joins what every event has with what this one has of its own.
fn with(mut common: Value, own: Value) -> Value {
    if let (Value::Object(common), Value::Object(own)) = (&mut common, own) {
        common.extend(own);
    }
    common
}

fn events() -> Vec<Value> {
    let event = |seq: u64, own: Value| {
        let common = json!({
            "job_id": JOB, "attempt": 1, "dispatch": 1, "worker_session": SESSION, "seq": seq,
            "at": format!("2026-07-26T12:00:{seq:02}Z"),
        });
        with(common, own)
    };
    let error = json!({ "kind": "io", "message": "c.csv: permission denied", "retryable": false });
    let progress = json!({ "percent": 100.0, "processed": 4, "total": 4 });
    vec![
        event(1, json!({ "kind": "started" })),
        event(
            2,
            json!({ "kind": "progress", "percent": 50.0, "message": "checking b.csv", "processed": 2, "total": 4 }),
        ),
        event(3, json!({ "kind": "items", "name": "file_list", "values": ["a.csv", "b.csv"] })),
        event(
            4,
            json!({ "kind": "log", "level": "warn", "message": "c.csv has no header", "fields": { "file": "c.csv" } }),
        ),
        event(
            5,
            json!({
                "kind": "completed", "result": { "total_files": 4 }, "warnings": ["c.csv has no header"],
                "items": { "file_list": 2 },
                "progress": progress,
            }),
        ),
        event(
            6,
            json!({
                "kind": "completed_with_errors", "result": { "total_files": 3 }, "errors": [error], "progress": progress,
            }),
        ),
        event(
            7,
            json!({
                "kind": "failed", "error": { "kind": "timeout", "message": "no answer in 30 s", "retryable": true },
                "result": { "total_files": 2 }, "progress": { "percent": 50.0 },
            }),
        ),
        event(8, json!({ "kind": "cancelled", "result": { "total_files": 2 }, "progress": { "percent": 50.0 } })),
        event(9, json!({ "kind": "released" })),
    ]
}

fn worker_events() -> Vec<Value> {
    let event = |seq: u64, own: Value| {
        with(json!({ "worker_session": SESSION, "seq": seq, "at": format!("2026-07-26T12:00:{seq:02}Z") }), own)
    };
    let info = json!({
        "type": "validate_import", "title": "Validate files", "unit": "files",
        "params_schema": { "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] },
        "result_schema": { "type": "object" }, "concurrency": 2,
    });
    let held = json!([{ "job_id": JOB, "dispatch": 1 }]);
    vec![
        event(
            1,
            json!({ "kind": "worker_up", "types": [info], "version": "1.4.0", "host": "worker-7", "concurrency": 8 }),
        ),
        event(
            2,
            json!({
                "kind": "worker_heartbeat", "running": held, "types": ["validate_import"], "acknowledged": [CONTROL],
                "draining": false, "paused_version": 1785067200000_u64,
            }),
        ),
        event(3, json!({ "kind": "worker_down" })),
    ]
}

fn controls() -> Vec<Value> {
    let jobs = json!([{ "job_id": JOB, "dispatch": 1 }]);
    vec![
        json!({
            "kind": "welcome", "worker_session": SESSION, "cancelled": jobs, "controls": [CONTROL],
            "paused": { "version": 1785067200000_u64, "all": false, "types": ["validate_import"] }, "lease_seconds": 15.0,
        }),
        json!({ "kind": "cancel", "control_id": CONTROL, "jobs": jobs }),
        json!({ "kind": "withdraw", "control_id": CONTROL, "jobs": jobs }),
        json!({ "kind": "paused_types", "version": 1785067200000_u64, "all": false, "types": ["validate_import"] }),
        json!({ "kind": "stop", "worker_session": SESSION, "jobs": jobs }),
        json!({ "kind": "drain", "worker_session": SESSION }),
    ]
}

fn submission() -> Value {
    json!({
        "type": "data_import", "params": { "import_path": "/imports/2026-07" }, "labels": { "team": "sales" },
        "run_at": "2026-07-26T12:00:00Z", "idempotency_key": "import-2026-07",
    })
}

fn replies() -> Vec<Value> {
    let message = "import_path is missing: give the folder to import, for example \"/imports/2026-07\"";
    vec![
        json!({ "id": WORKFLOW, "status": "pending", "duplicate": false }),
        json!({ "error": { "kind": "invalid_params", "message": message, "field": "/params/import_path" } }),
    ]
}

fn notification() -> Value {
    json!({
        "specversion": "1.0", "id": format!("{WORKFLOW}/1"), "source": "/drover/jobs", "type": "drover.job.failed",
        "subject": WORKFLOW, "time": "2026-07-26T12:01:00Z", "datacontenttype": "application/json",
        "data": {
            "job_id": WORKFLOW, "type": "data_import", "status": "failed",
            "error": { "kind": "step_failed", "message": "File validation: no answer in 30 s", "retryable": true },
        },
    })
}
