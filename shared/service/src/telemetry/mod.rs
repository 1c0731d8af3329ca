//! Traces ([`Traces`]), and log lines: one format for people, one for machines, and in both every line written inside a job names the job.
//!
//! A job runs in the span that [`job_span`] makes. Whatever is logged inside it, also by libraries and in child spans,
//! carries the job's type, its id and its parent's id, without anybody passing them on. Lines go to stderr; stdout
//! belongs to what a program prints for its user.

mod format;
mod labels;
mod trace_parent;
mod traces;

use std::{fmt::Display, io};

use serde::Deserialize;
use tracing::{Span, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{Directive, LevelFilter},
    fmt::MakeWriter,
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::config::{Invalid, Validate};

pub use labels::{JOB_SPAN, JOB_TARGET, JobLabels};
pub use trace_parent::{InvalidTraceParent, TraceParent};
pub use traces::{EndedSpan, SpanKind, TelemetryConfig, Traces, TracesError};

/// How log lines look and which are written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// For people or for machines.
    pub format: LogFormat,
    /// Which lines: a level, or `target=level` pairs separated by commas, as `info,lapin=warn`.
    pub filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object per line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

impl Validate for LogConfig {
    fn validate(&self) -> Result<(), Invalid> {
        self.parse_filter().map(|_| ()).map_err(|error| {
            Invalid::new("log.filter", format!("{error}; write a level, or `target=level` pairs: `info,lapin=warn`"))
        })
    }
}

impl LogConfig {
    fn parse_filter(&self) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
        let filter = EnvFilter::builder().parse(&self.filter)?;
        // Whatever the filter says, the job's span stays, or the lines inside it would lose their labels.
        Ok(filter.add_directive(job_directive()))
    }
}

fn job_directive() -> Directive {
    let everything = Directive::from(LevelFilter::ERROR);
    format!("{JOB_TARGET}=error").parse().unwrap_or(everything)
}

/// A further consumer of log lines beside stderr.
pub type ExtraLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Log lines cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not understood.
    #[error("log.filter = {filter:?} is not understood: {reason}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong.
        reason: String,
    },
    /// Something in this process writes log lines already.
    #[error("log lines are already being written: telemetry::init was called twice, or another subscriber is set")]
    AlreadySet,
}

/// Writes log lines to stderr from now on, and gives them to the extra layers too.
///
/// # Errors
/// When the filter is not understood or telemetry is set already.
pub fn init(config: &LogConfig, extra: Vec<ExtraLayer>) -> Result<(), TelemetryError> {
    init_to(config, extra, io::stderr)
}

/// As [`init`], but the lines go to another writer.
///
/// # Errors
/// When the filter is not understood or telemetry is set already.
pub fn init_to<W>(config: &LogConfig, extra: Vec<ExtraLayer>, writer: W) -> Result<(), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    subscriber(config, extra, writer)?.try_init().map_err(|_| TelemetryError::AlreadySet)
}

/// What [`init`] sets, writing to any writer: for tests and for programs that compose their own.
///
/// # Errors
/// When the filter is not understood.
pub fn subscriber<W>(
    config: &LogConfig,
    extra: Vec<ExtraLayer>,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + for<'a> LookupSpan<'a> + use<W>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = config
        .parse_filter()
        .map_err(|error| TelemetryError::Filter { filter: config.filter.clone(), reason: error.to_string() })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(writer)
        .event_format(format::JobLines::new(config.format))
        .with_filter(filter);
    // An empty list of layers would switch everything off; no list does not.
    let extra = (!extra.is_empty()).then_some(extra);
    Ok(tracing_subscriber::registry().with(extra).with(labels::layer()).with(lines))
}

/// The span that a job runs in. Enter it, or give it to `Instrument::instrument`.
#[must_use]
pub fn job_span(job_type: &impl Display, job_id: &impl Display, parent_job_id: Option<&impl Display>) -> Span {
    // An error span: it is there under every filter that lets anything through.
    tracing::error_span!(
        target: JOB_TARGET,
        JOB_SPAN,
        job_type = %job_type,
        job_id = %job_id,
        parent_job_id = parent_job_id.map(tracing::field::display),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
