//! What other systems can bind to: a job ended.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{JobError, JobId, JobStatus, JobType};

/// A CloudEvent in structured mode, `content_type: application/cloudevents+json`, published to the notifications exchange
/// with routing key `job.<status>.<type>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notification {
    /// Always `1.0`.
    pub specversion: String,
    /// The same for a repeat of the same notification.
    pub id: String,
    /// `/drover/jobs`.
    pub source: String,
    /// `drover.job.<status>`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The job's id.
    pub subject: JobId,
    /// When the job ended.
    pub time: DateTime<Utc>,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// What happened.
    pub data: NotificationData,
}

/// What a notification carries. The result is not in it: fetch it by the id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotificationData {
    /// The job.
    pub job_id: JobId,
    /// Its type or workflow.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// How it ended.
    pub status: JobStatus,
    /// Why, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

impl Notification {
    /// The notification of a job's end.
    #[must_use]
    pub fn of(data: NotificationData, run: u32, time: DateTime<Utc>) -> Self {
        Self {
            specversion: "1.0".into(),
            id: format!("{}/{run}", data.job_id),
            source: "/drover/jobs".into(),
            event_type: format!("drover.job.{}", data.status),
            subject: data.job_id,
            time,
            datacontenttype: "application/json".into(),
            data,
        }
    }

    /// The routing key it is published with.
    #[must_use]
    pub fn routing_key(&self) -> String {
        format!("job.{}.{}", self.data.status, self.data.job_type)
    }
}
