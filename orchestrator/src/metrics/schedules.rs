//! Times of schedules, by what became of them.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::types::Types;

/// What became of the times of schedules, each under its own name as far as [`Types`] has room.
#[derive(Debug, Default)]
pub struct Schedules {
    names: Types,
    fired: Family<OfSchedule, Counter>,
    not_fired: Family<NotFired, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfSchedule {
    schedule: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NotFired {
    schedule: String,
    outcome: &'static str,
}

impl Schedules {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("schedules_fired", "Times of schedules with a run", self.fired.clone());
        registry.register("schedules_not_fired", "Times of schedules without a run, by why", self.not_fired.clone());
    }

    /// A time has a run.
    pub fn fired(&self, name: &str) {
        self.fired.get_or_create(&OfSchedule { schedule: self.names.label(name) }).inc();
    }

    /// A time has none: a run of before had not ended.
    pub fn skipped(&self, name: &str) {
        self.not_fired(name, "skipped");
    }

    /// A time has none: nothing could be submitted then.
    pub fn missed(&self, name: &str) {
        self.not_fired(name, "missed");
    }

    /// A time has none: it was refused.
    pub fn failed(&self, name: &str) {
        self.not_fired(name, "failed");
    }

    fn not_fired(&self, name: &str, outcome: &'static str) {
        self.not_fired.get_or_create(&NotFired { schedule: self.names.label(name), outcome }).inc();
    }
}
