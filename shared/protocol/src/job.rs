//! The message that starts one dispatch of a job on a worker.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JobId, JobType, limits};

/// A job for a worker. `type` property: `drover.job.v1`. Published to the jobs exchange with the job type as routing key;
/// the `reply_to` property is the routing key for the events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobMessage {
    /// The job.
    pub id: JobId,
    /// What kind of work it is.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// The try, from 1.
    #[schemars(range(min = 1, max = i32::MAX))]
    pub attempt: u32,
    /// The fence: rises with every publication meant to start the job. Every event repeats it.
    #[schemars(range(min = 1, max = i32::MAX))]
    pub dispatch: u32,
    /// The workflow that this job belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<JobId>,
    /// The outermost workflow; the job itself when it runs alone.
    pub root_id: JobId,
    /// The key of the workflow's step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::KEY_BYTES))]
    pub step: Option<String>,
    /// The job's parameters, shaped as the worker announced them.
    pub params: Value,
    /// After this long, in seconds, the worker stops the job and reports it failed with kind `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = limits::TIMEOUT_SECONDS))]
    pub timeout_seconds: Option<f64>,
    /// A job not started by then is not worth starting: the worker reports it failed with kind `deadline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DateTime<Utc>>,
    /// The same for every attempt and dispatch of this job, but another one in each round of a step that is repeated: for handlers
    /// whose effects must happen once.
    #[schemars(length(max = limits::KEY_BYTES))]
    pub idempotency_key: String,
}
