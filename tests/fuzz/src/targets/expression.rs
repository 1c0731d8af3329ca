//! Expressions.

use std::{collections::BTreeMap, sync::Arc};

use drover_engine::expression::{BatchScope, Expression, RepeatScope, Scope, StepScope, Template, WorkflowScope};
use drover_protocol::{JobError, JobId, StepStatus};
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let scope = scope();
    match Expression::compile(&text, "step a: if") {
        Ok(expression) => {
            told(expression.eval(&scope));
            told(expression.eval_bool(&scope));
            told(expression.eval(&Scope { steps: BTreeMap::new(), batch: None, ..scope.clone() }));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let raw = json!({ "whole": text, "part": format!("a {text} b"), text.as_ref(): [text.as_ref()] });
    match Template::compile(&raw, "step a: params") {
        Ok(template) => told(template.eval(&scope)),
        Err(errors) => assert!(errors.iter().all(|error| !error.to_string().is_empty())),
    }
}

fn told<T>(outcome: Result<T, impl ToString>) {
    if let Err(error) = outcome {
        assert!(!error.to_string().is_empty());
    }
}

fn scope() -> Scope {
    let step = |result: Value, status| StepScope {
        status,
        result: Arc::new(result),
        error: (status == StepStatus::Failed).then(|| JobError::permanent("io", "it is gone")),
        totals: json!({ "rows": 7, "size": 1.5 }),
    };
    let files = json!({ "files": ["a", "b"], "done": 2, "deep": { "er": [{ "n": 1 }, { "n": -2.5 }] }, "none": null });
    Scope {
        input: Arc::new(json!({ "path": "/in", "items": [3, 1, 2], "flag": true, "text": "träge €", "big": u64::MAX })),
        steps: BTreeMap::from([
            ("done".into(), step(files, StepStatus::Completed)),
            ("bad".into(), step(Value::Null, StepStatus::Failed)),
        ]),
        batch: Some(BatchScope { index: 1, count: 3, items: json!([1, "two"]) }),
        repeat: Some(RepeatScope { round: 2, max: 4 }),
        workflow: WorkflowScope { id: JobId(Uuid::nil()), attempt: 1 },
    }
}
