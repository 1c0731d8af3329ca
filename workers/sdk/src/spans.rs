//! What a worker adds to a trace: the span of each run of a handler.

use std::time::SystemTime;

use drover_protocol::JobEventKind;
use drover_service::telemetry::{EndedSpan, SpanKind};

use crate::state::{Facts, Trace};

/// The span of a handler that has returned. `end`: what is reported of it.
pub(crate) fn of_run(facts: &Facts, trace: Trace, began: SystemTime, end: Option<&JobEventKind>) -> EndedSpan {
    let error = match end {
        Some(JobEventKind::Failed { error, .. }) => Some(format!("{}: {}", error.kind, error.message)),
        _ => None,
    };
    EndedSpan {
        place: trace.place,
        parent_span_id: Some(trace.job_span_id),
        kind: SpanKind::Consumer,
        name: format!("run {}", facts.job_type),
        began,
        ended: SystemTime::now(),
        attributes: vec![
            ("drover.job.id", facts.job_id.to_string()),
            ("drover.job.type", facts.job_type.to_string()),
            ("drover.job.attempt", facts.attempt.to_string()),
            ("drover.job.dispatch", facts.dispatch.to_string()),
            // Whoever took it away says what becomes of it.
            ("drover.run.end", end.map_or("taken", JobEventKind::name).to_owned()),
        ],
        moments: Vec::new(),
        error,
    }
}
