//! A job's log: what the handler logs by its context, and every `tracing` line inside the job's span.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use drover_protocol::{LogLevel, limits};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, Filter},
    registry::LookupSpan,
};

use crate::{state::JobState, text};

/// The target of lines that were already sent as log events: they are for this process's own log alone.
const SENT_TARGET: &str = "drover::job_log";
/// Larger fields are replaced by a remark: a log line is for reading.
const FIELDS_BYTES: usize = 32 * 1024;
/// The rate limit counts in windows of this length.
const WINDOW: Duration = Duration::from_secs(1);

/// Which of a job's lines are sent.
#[derive(Debug)]
pub(crate) struct LogGate {
    pub(crate) level: LogLevel,
    lines_per_second: u32,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    start: Instant,
    lines: u32,
    left_out: u64,
}

impl LogGate {
    pub(crate) fn new(level: LogLevel, lines_per_second: u32) -> Self {
        let window = Mutex::new(Window { start: Instant::now(), lines: 0, left_out: 0 });
        Self { level, lines_per_second, window }
    }

    /// Whether a line may be sent now.
    fn admit(&self) -> bool {
        let mut window = self.lock();
        if window.start.elapsed() >= WINDOW {
            window.start = Instant::now();
            window.lines = 0;
        }
        if window.lines >= self.lines_per_second {
            window.left_out += 1;
            return false;
        }
        window.lines += 1;
        true
    }

    /// A line that was admitted could not be kept.
    pub(crate) fn count_left_out(&self, lines: u64) {
        self.lock().left_out += lines;
    }

    fn take_left_out(&self) -> u64 {
        std::mem::take(&mut self.lock().left_out)
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line that the handler logged by its context.
pub(crate) fn explicit(job: &Arc<JobState>, level: LogLevel, message: String, fields: Map<String, Value>) {
    trace(job, level, &message, &fields);
    if job.wants_log(level) {
        record(job, level, message, fields);
    }
}

fn record(job: &Arc<JobState>, level: LogLevel, message: String, fields: Map<String, Value>) {
    if !job.log_gate.admit() {
        return;
    }
    let message = text::clean(message, limits::LOG_MESSAGE_BYTES);
    if !(report_left_out(job) && job.sink.log(job, level, message, clean_fields(fields))) {
        job.log_gate.count_left_out(1);
    }
}

/// Says in the job's log how many of its lines are missing there, if any. `false`: there is no room for that either; they stay
/// counted.
pub(crate) fn report_left_out(job: &Arc<JobState>) -> bool {
    let count = job.log_gate.take_left_out();
    if count == 0 {
        return true;
    }
    let message = format!("{count} log lines were left out: more came than could be sent");
    let taken = job.sink.log(job, LogLevel::Warn, message, Map::new());
    if !taken {
        job.log_gate.count_left_out(count);
    }
    taken
}

fn clean_fields(fields: Map<String, Value>) -> Map<String, Value> {
    let json = Value::Object(fields);
    let text = json.to_string();
    if text.len() > FIELDS_BYTES {
        let remark = format!("left out: {} bytes; the limit is {FIELDS_BYTES}", text.len());
        return Map::from_iter([("fields".to_owned(), remark.into())]);
    }
    let json = if text.contains("\\u0000") { without_nul(json) } else { json };
    match json {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn without_nul(value: Value) -> Value {
    let clean = |text: String| text.replace('\0', "\u{FFFD}");
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(values) => values.into_iter().map(without_nul).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (clean(key), without_nul(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// Writes the line to this process's own log too.
fn trace(job: &JobState, level: LogLevel, message: &str, fields: &Map<String, Value>) {
    let fields = (!fields.is_empty()).then(|| serde_json::to_string(fields).unwrap_or_default());
    macro_rules! event {
        ($level:expr) => {
            tracing::event!(target: SENT_TARGET, parent: &job.span, $level, fields, "{message}")
        };
    }
    match level {
        LogLevel::Trace => event!(Level::TRACE),
        LogLevel::Debug => event!(Level::DEBUG),
        LogLevel::Info => event!(Level::INFO),
        LogLevel::Warn => event!(Level::WARN),
        LogLevel::Error => event!(Level::ERROR),
    }
}

/// The job that a span belongs to. An extension of the job's span; weak, since the job holds its span.
struct SpanOf(Weak<JobState>);

/// Lets the layer find the job from its span.
pub(crate) fn attach(job: &Arc<JobState>) {
    job.span.with_subscriber(|(id, dispatch)| {
        if let Some(registry) = dispatch.downcast_ref::<Registry>()
            && let Some(span) = registry.span(id)
        {
            span.extensions_mut().replace(SpanOf(Arc::downgrade(job)));
        }
    });
}

/// A layer that sends every line inside a job's span to the job's log. A worker's `main` installs it; a program that
/// composes its own subscriber adds it by hand. Lines below `level` are not sent.
pub fn job_log_layer<S>(level: LogLevel) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let level = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    JobLogLayer.with_filter(JobLines { level })
}

struct JobLines {
    level: LevelFilter,
}

impl<S> Filter<S> for JobLines {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *metadata.level() <= self.level && metadata.target() != SENT_TARGET
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }
}

struct JobLogLayer;

impl<S> Layer<S> for JobLogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let of = |span: tracing_subscriber::registry::SpanRef<'_, S>| span.extensions().get::<SpanOf>()?.0.upgrade();
        let Some(job) = ctx.event_scope(event).and_then(|mut spans| spans.find_map(of)) else { return };
        let level = level_of(event.metadata());
        if !job.wants_log(level) {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        line.fields.insert("target".into(), event.metadata().target().into());
        record(&job, level, line.message, line.fields);
    }
}

fn level_of(metadata: &Metadata<'_>) -> LogLevel {
    match *metadata.level() {
        Level::TRACE => LogLevel::Trace,
        Level::DEBUG => LogLevel::Debug,
        Level::INFO => LogLevel::Info,
        Level::WARN => LogLevel::Warn,
        Level::ERROR => LogLevel::Error,
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: Map<String, Value>,
}

impl Line {
    fn insert(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for Line {
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
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            _ => self.insert(field, format!("{value:?}").into()),
        }
    }
}
