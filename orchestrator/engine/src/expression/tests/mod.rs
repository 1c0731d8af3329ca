#![allow(clippy::unwrap_used, reason = "tests")]

mod binding;
mod bounds;
mod errors;
mod generated;
mod values;

use std::sync::Arc;

use drover_protocol::{JobError, StepStatus};
use serde_json::{Value, json};

use super::{BatchScope, Expression, ExpressionError, RepeatScope, Scope, StepScope, WorkflowScope};

/// A scope with a bit of everything.
fn scope() -> Scope {
    let done = StepScope {
        status: StepStatus::Completed,
        result: Arc::new(json!({
            "count": 3, "share": 0.5, "whole": 2.0, "big": u64::MAX, "name": "Ünïcode", "ok": true, "nothing": null,
            "files": ["b", "a", "c"], "rows": [{ "n": 1 }, { "n": 2.5 }], "odd key": { "x-y": 1 }, "empty": [],
            "list": { "$items": { "job_id": uuid::Uuid::nil(), "name": "list", "count": 100_000 } },
            "$items": 5
        })),
        error: None,
        totals: json!({ "total": 10, "failed": 2 }),
    };
    let failed = StepScope {
        status: StepStatus::Failed,
        result: Arc::new(Value::Null),
        error: Some(JobError::retryable("io", "disk full")),
        totals: Value::Null,
    };
    Scope {
        input: Arc::new(
            json!({ "path": "/in", "flag": false, "n": 7, "items": [1, 2, 3], "nested": { "a": [{ "b": 1 }] } }),
        ),
        steps: [("done".to_owned(), done), ("failed".to_owned(), failed)].into(),
        batch: Some(BatchScope { index: 2, count: 5, items: json!(["x", "y"]) }),
        repeat: Some(RepeatScope { round: 3, max: 7 }),
        workflow: WorkflowScope { id: uuid::Uuid::nil().into(), attempt: 1 },
    }
}

fn compile(source: &str) -> Expression {
    Expression::compile(source, "step.field").unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn eval(source: &str) -> Result<Value, ExpressionError> {
    compile(source).eval(&scope())
}
