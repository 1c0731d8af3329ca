//! Remembers what a job's span says of the job, for every line inside it.

use std::fmt;

use tracing::{
    Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer,
    filter::{FilterFn, LevelFilter},
    layer::Context,
    registry::LookupSpan,
};

/// The name of a job's span.
pub const JOB_SPAN: &str = "job";
/// The target of a job's span, by which it is told from spans of the same name.
pub const JOB_TARGET: &str = "drover::job";

/// What a line inside a job says of the job. An extension of the job's span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobLabels {
    /// The type.
    pub job_type: String,
    /// The job.
    pub job_id: String,
    /// The workflow it belongs to, if any.
    pub parent_job_id: Option<String>,
}

pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    // Its own narrow filter: an unfiltered layer would enable every trace line of every library.
    LabelsLayer.with_filter(FilterFn::new(is_job).with_max_level_hint(LevelFilter::ERROR))
}

fn is_job(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == JOB_TARGET && metadata.name() == JOB_SPAN
}

struct LabelsLayer;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LabelsLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut labels = JobLabels::default();
        attributes.record(&mut labels);
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(labels);
        }
    }
}

impl Visit for JobLabels {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "job_type" => self.job_type = format!("{value:?}"),
            "job_id" => self.job_id = format!("{value:?}"),
            "parent_job_id" => self.parent_job_id = Some(format!("{value:?}")),
            _ => {}
        }
    }
}
