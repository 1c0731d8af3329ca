//! What a fold was given from outside, given again.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use drover_protocol::{JobId, JobType};
use serde_json::Value;
use uuid::Uuid;

use super::Line;
use crate::{
    Catalog, Entropy, Given, Limits,
    definition::{Definition, RetryPolicy},
};

impl Given {
    pub(super) fn limits(&self) -> Limits {
        self.limits.unwrap_or_default()
    }

    pub(super) fn catalog<'a>(&'a self, definitions: &'a HashMap<String, Arc<Definition>>) -> Current<'a> {
        Current { workflows: &self.workflows, definitions }
    }
}

/// The definitions that were current.
pub(super) struct Current<'a> {
    workflows: &'a BTreeMap<JobType, Option<String>>,
    definitions: &'a HashMap<String, Arc<Definition>>,
}

impl Catalog for Current<'_> {
    fn current(&self, name: &JobType) -> Option<Arc<Definition>> {
        let hash = self.workflows.get(name)?.as_ref()?;
        self.definitions.get(hash).cloned()
    }
}

/// The ids and waits that were drawn, in order. Where the rebuilt fold draws more of them, it gets some that no row has.
#[derive(Default)]
pub(super) struct Fate {
    ids: VecDeque<JobId>,
    delays: VecDeque<Duration>,
    spare: u128,
}

impl Fate {
    /// From the lines of a fold; `is_known`: the jobs that there were before.
    pub(super) fn of(lines: &[Line], is_known: impl Fn(JobId) -> bool) -> Self {
        let mut met = HashSet::new();
        // A submitted job brings its id along.
        let mut drawn = |line: &&Line| met.insert(line.job_id) && line.input.is_none() && !is_known(line.job_id);
        let ids = lines.iter().filter(|line| drawn(line)).map(|line| line.job_id).collect();
        let delays = lines.iter().filter(|line| line.kind == "retry_scheduled").filter_map(delay).collect();
        Self { ids, delays, spare: 0 }
    }
}

fn delay(line: &Line) -> Option<Duration> {
    let due_at: DateTime<Utc> = line.detail.get("due_at").and_then(Value::as_str)?.parse().ok()?;
    due_at.signed_duration_since(line.at).to_std().ok()
}

impl Entropy for Fate {
    fn job_id(&mut self) -> JobId {
        self.ids.pop_front().unwrap_or_else(|| {
            self.spare += 1;
            JobId(Uuid::from_u128(self.spare))
        })
    }

    fn jitter(&mut self) -> f64 {
        0.0
    }

    fn delay(&mut self, policy: &RetryPolicy, failures: u32) -> Duration {
        self.delays.pop_front().unwrap_or_else(|| policy.delay(failures, 0.0))
    }
}
