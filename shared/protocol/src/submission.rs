//! How other systems ask for a job.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JobId, JobStatus, JobType, limits};

/// A request for a job or a workflow. By AMQP: `type` property `drover.submission.v1`, published to the submit exchange.
/// The property `message_id`, or `idempotency_key` where that is set, together with `app_id` makes a repeat harmless; one of
/// the two is required. By HTTP: the body of `POST /api/v1/jobs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// A workflow's name or a job type.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// The parameters; checked against the workflow's `input` or the type's announced schema.
    #[serde(default = "empty_object")]
    pub params: Value,
    /// Free labels to find the job by. A name holds no colon.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::LABELS, "propertyNames" = serde_json::json!({ "pattern": "^[^:]+$" })))]
    pub labels: BTreeMap<String, String>,
    /// Not before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<DateTime<Utc>>,
    /// A second submission with the same key makes no second job. For publishers that cannot set `message_id` or an HTTP
    /// header, and for those whose library sets a new `message_id` at each try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::KEY_BYTES))]
    pub idempotency_key: Option<String>,
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

/// The answer, sent to the submission's `reply_to` with its `correlation_id` (else its `message_id`). `type` property:
/// `drover.submission_reply.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SubmissionReply {
    /// Accepted: from here it survives any crash.
    Accepted {
        /// The job.
        id: JobId,
        /// Where it stands.
        status: JobStatus,
        /// Whether an earlier submission with the same key had made it.
        duplicate: bool,
    },
    /// Refused; nothing was made.
    Refused {
        /// Why.
        error: SubmissionError,
    },
}

/// Why a submission was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubmissionError {
    /// A short word for programs: `unknown_type`, `invalid_params`, `malformed`, `conflict`, `too_large`, …
    pub kind: String,
    /// A sentence for people: the field, the value and the way out.
    pub message: String,
    /// JSON pointer of the field, where one is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}
