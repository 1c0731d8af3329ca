//! What a message carries, shared by all queues that hold it.

use bytes::Bytes;
use chrono::DateTime;
use uuid::Uuid;

use crate::{Delivery, Headers, Properties, Publication, Tag};

/// What a message counts for besides its body and headers: short properties, names, its places in our tables.
const OVERHEAD_BYTES: usize = 1024;

/// A message's content, the same in every queue.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) body: Bytes,
    pub(super) properties: Properties,
    pub(super) exchange: String,
    pub(super) routing_key: String,
    /// What it counts for.
    pub(super) bytes: usize,
}

impl Content {
    /// The content of a publication that fits. What AMQP would change on the way is changed here, too.
    pub(super) fn new(publication: Publication) -> Self {
        let Publication { exchange, routing_key, body, mut properties, mandatory: _ } = publication;
        properties.message_id.get_or_insert_with(|| Uuid::new_v4().to_string());
        let seconds = properties.timestamp.map(|time| time.timestamp()).filter(|seconds| *seconds >= 0);
        properties.timestamp = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Self::with(body, properties, exchange, routing_key)
    }

    /// The same message as it goes to the dead letters.
    pub(super) fn dead(&self, exchange: &str, headers: Headers) -> Self {
        let properties = Properties { headers, ..self.properties.clone() };
        Self::with(self.body.clone(), properties, exchange.to_owned(), self.routing_key.clone())
    }

    fn with(body: Bytes, properties: Properties, exchange: String, routing_key: String) -> Self {
        let headers: usize = properties.headers.iter().map(|(key, value)| key.len() + value.len()).sum();
        let bytes = OVERHEAD_BYTES + body.len() + headers;
        Self { body, properties, exchange, routing_key, bytes }
    }

    /// As it is delivered.
    pub(super) fn delivery(&self, tag: Tag, redelivered: bool) -> Delivery {
        Delivery {
            tag,
            body: self.body.clone(),
            properties: self.properties.clone(),
            exchange: self.exchange.clone(),
            routing_key: self.routing_key.clone(),
            redelivered,
        }
    }
}
