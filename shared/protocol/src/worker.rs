//! What a worker says of itself.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ControlId, JobId, JobType, WorkerSession, limits};

/// An event of a worker. `type` property: `drover.worker.v1`; published to the heartbeats queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerEvent {
    /// Which life of which worker process.
    pub worker_session: WorkerSession,
    /// Rises with every event of the session; an older one than the last seen changes nothing.
    #[schemars(range(max = i64::MAX))]
    pub seq: u64,
    /// When it was sent, by the worker's clock.
    pub at: DateTime<Utc>,
    /// What it says.
    #[serde(flatten)]
    pub kind: WorkerEventKind,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WorkerEventKind {
    /// It is there. It asks for the open cancels, and consumes only when the answer (`welcome`) has come; `reply_to` of
    /// the message is its control queue.
    WorkerUp {
        /// The job types it takes.
        types: Vec<JobTypeInfo>,
        /// Version of the worker's program.
        #[schemars(length(max = limits::KEY_BYTES))]
        version: String,
        /// Where it runs.
        #[schemars(length(max = limits::KEY_BYTES))]
        host: String,
        /// How many jobs it runs at once, over all types.
        #[schemars(range(min = 1, max = i32::MAX))]
        concurrency: u32,
    },
    /// It lives. Sent at the pace of the lease, and at once after a cancel.
    WorkerHeartbeat {
        /// Every job from its permit until its last event is confirmed by the broker.
        running: Vec<RunningJob>,
        /// The job types it takes, so that a heartbeat alone tells who would take what.
        types: Vec<JobType>,
        /// Control messages it has obeyed. Each is repeated in several heartbeats, since one may be lost.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        acknowledged: BTreeSet<ControlId>,
        /// Whether it takes no new jobs because it is about to end.
        #[serde(default)]
        draining: bool,
        /// The version of the set of paused types that it obeys, 0 before it was told of any. Absent: it knows no pauses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(max = i64::MAX))]
        paused_version: Option<u64>,
    },
    /// It ends. What it still held has been reported before.
    WorkerDown,
}

/// A job that a worker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct RunningJob {
    /// The job.
    pub job_id: JobId,
    /// The dispatch it was started by.
    #[schemars(range(min = 1, max = i32::MAX))]
    pub dispatch: u32,
}

/// What a worker announces of a job type: the registry that validates submissions and draws forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobTypeInfo {
    /// The type's name.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// What a person calls it.
    #[schemars(length(max = limits::KEY_BYTES))]
    pub title: String,
    /// What `processed` and `total` count: `files`, `rows`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::NAME_BYTES))]
    pub unit: Option<String>,
    /// JSON Schema of the parameters.
    #[schemars(schema_with = "schema_of_schemas")]
    pub params_schema: Value,
    /// JSON Schema of the result.
    #[schemars(schema_with = "schema_of_schemas")]
    pub result_schema: Value,
    /// How many of this type it runs at once, if fewer than the worker's own concurrency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = i32::MAX))]
    pub concurrency: Option<u32>,
}

fn schema_of_schemas(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["object", "boolean"] })
}
