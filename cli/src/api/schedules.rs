//! Schedules.

use chrono::{DateTime, FixedOffset, Utc};
use drover_protocol::{JobId, JobStatus};
use serde::Deserialize;
use serde_json::Value;

/// A page of schedules.
#[derive(Debug, Deserialize)]
pub(crate) struct Schedules {
    pub(crate) schedules: Vec<ScheduleView>,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// A schedule.
#[derive(Debug, Deserialize)]
pub(crate) struct ScheduleView {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) cron: String,
    pub(crate) description: String,
    pub(crate) time_zone: String,
    pub(crate) overlap: String,
    pub(crate) catch_up: String,
    #[serde(default)]
    pub(crate) input: Value,
    pub(crate) enabled: bool,
    #[serde(default)]
    pub(crate) switched_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) next_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) queued: u32,
    #[serde(default)]
    pub(crate) last_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) last_outcome: Option<String>,
    #[serde(default)]
    pub(crate) last_reason: Option<String>,
    #[serde(default)]
    pub(crate) last_job: Option<LastJob>,
    /// By the clock of its zone; not in a list.
    #[serde(default)]
    pub(crate) next: Vec<DateTime<FixedOffset>>,
}

/// The latest run of a schedule.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct LastJob {
    pub(crate) id: JobId,
    pub(crate) status: JobStatus,
}
