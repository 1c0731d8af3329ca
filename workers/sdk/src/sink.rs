//! Where a job's reports go: to the reporter in a worker, to a list in a test of a job.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use drover_protocol::LogLevel;
use serde_json::{Map, Value, value::RawValue};

use crate::{JobFailure, state::JobState};

/// Where the reports of a running job go.
#[async_trait]
pub(crate) trait Sink: Debug + Send + Sync {
    /// The job's progress moved; `news`: for the first time since a snapshot was taken.
    fn progress(&self, job: &Arc<JobState>, news: bool);

    /// A chunk of a list, within the limits of a message. Returns when it is safely held. Counts the values once it is certain
    /// that they are sent ([`JobState::count_items`]): the handler may let go of this at any time.
    async fn items(&self, job: &Arc<JobState>, name: &str, values: Vec<Box<RawValue>>) -> Result<(), JobFailure>;

    /// A log line, already within its limits. `false`: it was not taken, and is to be counted as missing.
    #[must_use]
    fn log(&self, job: &Arc<JobState>, level: LogLevel, message: String, fields: Map<String, Value>) -> bool;
}
