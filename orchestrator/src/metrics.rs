//! What is counted, for Prometheus. `docs/metrics.md` says what each of it means; a test holds the two against each other.

mod schedules;
mod standing;
mod types;

use std::sync::Mutex;

use drover_engine::Outcome;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{
    app::App,
    store::{Folded, Passage},
};
use schedules::Schedules;
use standing::Standing;
use types::Types;

/// From a moment to an hour, in seconds: how long jobs wait for a worker.
const WAITS: [f64; 9] = [0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0];
/// From a moment to a day, in seconds: how long jobs run.
const RUNS: [f64; 11] = [0.01, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0, 1_800.0, 7_200.0, 28_800.0, 86_400.0];

/// The counters of one process.
pub struct Metrics {
    registry: Mutex<Registry>,
    types: Types,
    standing: Standing,
    inputs: Family<Outcomes, Counter>,
    ended: Family<Ends, Counter>,
    waits: Family<OfType, Histogram, fn() -> Histogram>,
    runs: Family<OfType, Histogram, fn() -> Histogram>,
    leases_lost: Counter,
    /// Events per committed batch.
    pub batch_events: Histogram,
    /// Seconds from the first event of a batch to its commit.
    pub batch_seconds: Histogram,
    /// Messages that the broker confirmed.
    pub published: Counter,
    /// Messages that the broker did not confirm; they are tried again.
    pub unconfirmed: Counter,
    /// Connections to the broker that were made anew.
    pub broker_reconnects: Counter,
    /// Messages nobody could process.
    pub dead_letters: Counter,
    /// Submissions that were accepted.
    pub submitted: Counter,
    /// Workers that were given up.
    pub workers_lost: Counter,
    /// Messages handed to the relay and not confirmed yet.
    pub relay_backlog: Gauge,
    /// Log lines that were not kept: their jobs had as many as they may have.
    pub log_lines_dropped: Counter,
    /// Log lines that were deleted: they were old, or all together too many.
    pub log_lines_expired: Counter,
    /// Jobs that were deleted since they are kept no longer.
    pub jobs_pruned: Counter,
    /// Times of schedules.
    pub schedules: Schedules,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcomes {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfType {
    r#type: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ends {
    r#type: String,
    status: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let powers = |start: f64, factor: f64, count: u16| {
            Histogram::new(prometheus_client::metrics::histogram::exponential_buckets(start, factor, count))
        };
        let mut metrics = Self {
            registry: Mutex::new(Registry::with_prefix("drover")),
            types: Types::default(),
            standing: Standing::default(),
            inputs: Family::default(),
            ended: Family::default(),
            waits: Family::new_with_constructor(|| Histogram::new(WAITS)),
            runs: Family::new_with_constructor(|| Histogram::new(RUNS)),
            leases_lost: Counter::default(),
            batch_events: powers(1.0, 4.0, 7),
            batch_seconds: powers(0.001, 2.0, 14),
            published: Counter::default(),
            unconfirmed: Counter::default(),
            broker_reconnects: Counter::default(),
            dead_letters: Counter::default(),
            submitted: Counter::default(),
            workers_lost: Counter::default(),
            relay_backlog: Gauge::default(),
            log_lines_dropped: Counter::default(),
            log_lines_expired: Counter::default(),
            jobs_pruned: Counter::default(),
            schedules: Schedules::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = self.registry.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        registry.register("fold_inputs", "Inputs folded, by outcome", self.inputs.clone());
        registry.register("jobs_ended", "Jobs that ended, by how", self.ended.clone());
        registry.register("job_wait_seconds", "From the publication of a job to its start", self.waits.clone());
        registry.register("job_run_seconds", "From the first start of a job to its end", self.runs.clone());
        registry.register("leases_lost", "Jobs taken from workers that were lost", self.leases_lost.clone());
        registry.register("intake_batch_events", "Events per committed batch", self.batch_events.clone());
        registry.register("intake_batch_seconds", "Time to commit a batch", self.batch_seconds.clone());
        registry.register("published", "Messages confirmed by the broker", self.published.clone());
        registry.register("unconfirmed", "Messages not confirmed and tried again", self.unconfirmed.clone());
        registry.register("broker_reconnects", "Connections to the broker made anew", self.broker_reconnects.clone());
        registry.register("dead_letters", "Messages nobody could process", self.dead_letters.clone());
        registry.register("submitted", "Submissions accepted", self.submitted.clone());
        registry.register("workers_lost", "Workers given up", self.workers_lost.clone());
        registry.register("relay_backlog", "Messages not confirmed yet", self.relay_backlog.clone());
        registry.register("log_lines_dropped", "Log lines beyond their job's limit", self.log_lines_dropped.clone());
        registry.register(
            "log_lines_expired",
            "Log lines deleted since they were old or too many",
            self.log_lines_expired.clone(),
        );
        registry.register("jobs_pruned", "Jobs deleted since they are kept no longer", self.jobs_pruned.clone());
        self.schedules.register(registry);
        self.standing.register(registry);
    }

    /// What a committed fold did.
    pub fn folded(&self, folded: &Folded) {
        for outcome in &folded.outcomes {
            let outcome = match outcome {
                Outcome::Applied => "applied",
                Outcome::Ignored(why) => why.as_str(),
                Outcome::Illegal(_) => "illegal",
            };
            self.inputs.get_or_create(&Outcomes { outcome }).inc();
        }
        self.leases_lost.inc_by(folded.leases_lost);
        for passage in &folded.passages {
            match passage {
                Passage::Began { job_type, waited } => {
                    let of = OfType { r#type: self.types.label(job_type.as_str()) };
                    self.waits.get_or_create(&of).observe(waited.as_seconds_f64());
                }
                Passage::Ended { job_type, status, ran } => {
                    let r#type = self.types.label(job_type.as_str());
                    if let Some(ran) = ran {
                        let of = OfType { r#type: r#type.clone() };
                        self.runs.get_or_create(&of).observe(ran.as_seconds_f64());
                    }
                    self.ended.get_or_create(&Ends { r#type, status: status.as_str() }).inc();
                }
            }
        }
    }

    /// All of it, in Prometheus' text format, with what the database knows just now.
    pub async fn text(&self, app: &App) -> String {
        self.standing.refresh(app, &self.types).await;
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
