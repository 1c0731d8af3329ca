//! What is published.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};

/// Application headers. Values are texts: what programs need to compare as numbers stands in the body.
pub type Headers = BTreeMap<String, String>;

/// A message on its way to the broker. Always persistent.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// The exchange; empty for the default exchange, where the routing key is a queue's name.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// The body.
    pub body: Bytes,
    /// The properties.
    pub properties: Properties,
    /// Whether it is an error that no queue took it. `false` for broadcasts, where nobody may listen.
    pub mandatory: bool,
}

/// Properties of a message, on the way out and in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    /// Identifies the message; returns of unroutable messages are matched by it, so it is unique within one publish call.
    pub message_id: Option<String>,
    /// The root job, or what a reply answers.
    pub correlation_id: Option<String>,
    /// The message type with its major version, for example `drover.job.v1`.
    pub kind: Option<String>,
    /// Usually `application/json`.
    pub content_type: Option<String>,
    /// Where answers or events go.
    pub reply_to: Option<String>,
    /// Who published it.
    pub app_id: Option<String>,
    /// When, to the second.
    pub timestamp: Option<DateTime<Utc>>,
    /// Application headers.
    pub headers: Headers,
}
