//! How a line looks.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::{LookupSpan, SpanRef},
};

use super::{JobLabels, LogFormat};

/// Formats lines, with the job's labels first (text) or as top-level fields (JSON).
pub(super) struct JobLines {
    format: LogFormat,
}

impl JobLines {
    pub(super) const fn new(format: LogFormat) -> Self {
        Self { format }
    }
}

impl<S, N> FormatEvent<S, N> for JobLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        match self.format {
            LogFormat::Text => text(ctx, writer, event),
            LogFormat::Json => json(ctx, writer, event),
        }
    }
}

/// `[job_type=…, job_id=…, parent_job_id=…] TIME LEVEL span{field=1}: target: message field=1`
fn text<S, N>(ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    if let Some(labels) = job_labels(ctx) {
        let parent = labels.parent_job_id.as_deref().unwrap_or("-");
        write!(writer, "[job_type={}, job_id={}, parent_job_id={parent}] ", labels.job_type, labels.job_id)?;
    }
    SystemTime.format_time(&mut writer)?;
    let metadata = event.metadata();
    write!(writer, " {:>5} ", metadata.level())?;
    for span in other_spans(ctx) {
        write!(writer, "{}: ", describe::<S, N>(&span))?;
    }
    write!(writer, "{}: ", metadata.target())?;
    ctx.format_fields(writer.by_ref(), event)?;
    writeln!(writer)
}

fn json<S, N>(ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let mut fields = Fields::default();
    event.record(&mut fields);
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let metadata = event.metadata();
    let mut line = Map::new();
    line.insert("timestamp".into(), time.into());
    line.insert("level".into(), metadata.level().as_str().into());
    line.insert("target".into(), metadata.target().into());
    line.insert("message".into(), fields.message.into());
    if let Some(labels) = job_labels(ctx) {
        line.insert("job_type".into(), labels.job_type.into());
        line.insert("job_id".into(), labels.job_id.into());
        line.insert("parent_job_id".into(), labels.parent_job_id.into());
    }
    if !fields.others.is_empty() {
        line.insert("fields".into(), fields.others.into());
    }
    let spans: Vec<Value> = other_spans(ctx).map(|span| describe::<S, N>(&span).into()).collect();
    if !spans.is_empty() {
        line.insert("spans".into(), spans.into());
    }
    writeln!(writer, "{}", Value::Object(line))
}

/// What the innermost job's span says.
fn job_labels<S, N>(ctx: &FmtContext<'_, S, N>) -> Option<JobLabels>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    ctx.event_scope()?.find_map(|span| span.extensions().get::<JobLabels>().cloned())
}

/// The spans around the line from the outermost, without the job's.
fn other_spans<'a, S, N>(ctx: &'a FmtContext<'_, S, N>) -> impl Iterator<Item = SpanRef<'a, S>>
where
    S: Subscriber + for<'b> LookupSpan<'b>,
    N: for<'b> FormatFields<'b> + 'static,
{
    let spans = ctx.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root);
    spans.filter(|span| span.extensions().get::<JobLabels>().is_none())
}

fn describe<S, N>(span: &SpanRef<'_, S>) -> String
where
    S: for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let extensions = span.extensions();
    match extensions.get::<FormattedFields<N>>() {
        Some(fields) if !fields.is_empty() => format!("{}{{{fields}}}", span.name()),
        _ => span.name().to_owned(),
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", value) => self.message = value.to_string(),
            (name, value) => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}").into());
    }
}
