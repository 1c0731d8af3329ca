//! Traces: a submission, and every job until its end, are spans of one trace. Where none is told, the trace's id is that of the
//! root, so that whoever has a job's id finds its trace.
//!
//! What is under way is in the database and not in a process, so ids of spans follow from ids of jobs: whoever dispatches a job
//! knows the span that its worker continues, and whoever folds its end tells that span.

use std::time::SystemTime;

use drover_engine::{Job, Tree};
use drover_protocol::JobId;
use drover_service::telemetry::{EndedSpan, SpanKind, TraceParent, Traces};
use uuid::Uuid;

use crate::store::NewRoot;

/// The span of a job, in this run of it: the half of its id that has the randomness.
#[must_use]
pub fn span_of(id: JobId, run: u32) -> u64 {
    id.0.as_u64_pair().1.wrapping_add(run.into())
}

/// The span of a submission that is under way.
pub struct Submitting {
    place: TraceParent,
    parent_span_id: Option<u64>,
    kind: SpanKind,
    began: SystemTime,
    root: JobId,
    job_type: String,
}

impl Submitting {
    /// Begins it, and gives the job its place in the trace: that of the caller where nobody listens here.
    pub fn begin(traces: &Traces, caller: Option<TraceParent>, kind: SpanKind, root: &mut NewRoot) -> Option<Self> {
        if !traces.are_on() {
            root.traceparent = caller;
            return None;
        }
        let (id, span_id) = (root.job.id, Uuid::now_v7().as_u64_pair().1);
        let place =
            caller.map_or_else(|| TraceParent::begin(id.0.as_u128(), span_id), |caller| caller.with_span(span_id));
        root.traceparent = Some(place);
        let (parent_span_id, began) = (caller.map(|caller| caller.span_id), SystemTime::now());
        Some(Self { place, parent_span_id, kind, began, root: id, job_type: root.job.job_type.to_string() })
    }

    /// It was accepted.
    pub fn accepted(self, traces: &Traces) {
        traces.take(EndedSpan {
            place: self.place,
            parent_span_id: self.parent_span_id,
            kind: self.kind,
            name: format!("submit {}", self.job_type),
            began: self.began,
            ended: SystemTime::now(),
            attributes: vec![("drover.job.id", self.root.to_string()), ("drover.job.type", self.job_type)],
            moments: Vec::new(),
            error: None,
        });
    }
}

/// The span of a job that has ended. `root`: where the trace of its root begins.
#[must_use]
pub fn of_job(job: &Job, tree: &Tree, root: TraceParent) -> Option<EndedSpan> {
    let ended = job.finished_at?;
    let parent_span_id = match job.parent {
        Some(parent) => span_of(parent.id, tree.get(parent.id)?.run),
        None => root.span_id,
    };
    let mut attributes = vec![
        ("drover.job.id", job.id.to_string()),
        ("drover.job.type", job.job_type.to_string()),
        ("drover.job.status", job.status.to_string()),
        ("drover.job.attempt", job.attempt.to_string()),
    ];
    attributes.extend(job.parent.and_then(|parent| parent.batch).map(|batch| ("drover.batch", batch.to_string())));
    Some(EndedSpan {
        place: root.with_span(span_of(job.id, job.run)),
        parent_span_id: Some(parent_span_id),
        kind: SpanKind::Internal,
        name: job.job_type.to_string(),
        began: job.created_at.into(),
        ended: ended.into(),
        attributes,
        moments: job.started_at.map(|at| ("started", at.into())).into_iter().collect(),
        error: job.error.as_ref().map(|error| format!("{}: {}", error.kind, error.message)),
    })
}
