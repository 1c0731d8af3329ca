//! What is counted, for Prometheus.

use std::sync::Mutex;

use drover_engine::Outcome;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// The counters of one process.
pub struct Metrics {
    registry: Mutex<Registry>,
    inputs: Family<Outcomes, Counter>,
    /// Events per committed batch.
    pub batch_events: Histogram,
    /// Seconds from the first event of a batch to its commit.
    pub batch_seconds: Histogram,
    /// Messages that the broker confirmed.
    pub published: Counter,
    /// Messages that the broker did not confirm; they are tried again.
    pub unconfirmed: Counter,
    /// Messages nobody could process.
    pub dead_letters: Counter,
    /// Submissions that were accepted.
    pub submitted: Counter,
    /// Workers that were given up.
    pub workers_lost: Counter,
    /// Messages handed to the relay and not confirmed yet.
    pub relay_backlog: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcomes {
    outcome: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let powers = |start: f64, factor: f64, count: u16| {
            Histogram::new(prometheus_client::metrics::histogram::exponential_buckets(start, factor, count))
        };
        let mut metrics = Self {
            registry: Mutex::new(Registry::with_prefix("drover")),
            inputs: Family::default(),
            batch_events: powers(1.0, 4.0, 7),
            batch_seconds: powers(0.001, 2.0, 14),
            published: Counter::default(),
            unconfirmed: Counter::default(),
            dead_letters: Counter::default(),
            submitted: Counter::default(),
            workers_lost: Counter::default(),
            relay_backlog: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = self.registry.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        registry.register("fold_inputs", "Inputs folded, by outcome", self.inputs.clone());
        registry.register("intake_batch_events", "Events per committed batch", self.batch_events.clone());
        registry.register("intake_batch_seconds", "Time to commit a batch", self.batch_seconds.clone());
        registry.register("published", "Messages confirmed by the broker", self.published.clone());
        registry.register("unconfirmed", "Messages not confirmed and tried again", self.unconfirmed.clone());
        registry.register("dead_letters", "Messages nobody could process", self.dead_letters.clone());
        registry.register("submitted", "Submissions accepted", self.submitted.clone());
        registry.register("workers_lost", "Workers given up", self.workers_lost.clone());
        registry.register("relay_backlog", "Messages not confirmed yet", self.relay_backlog.clone());
    }

    /// What the fold said to a batch.
    pub fn folded(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let outcome = match outcome {
                Outcome::Applied => "applied",
                Outcome::Ignored(why) => why.as_str(),
                Outcome::Illegal(_) => "illegal",
            };
            self.inputs.get_or_create(&Outcomes { outcome }).inc();
        }
    }

    /// All of it, in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
