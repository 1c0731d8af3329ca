//! Markers: each replica sends one through the queues at every beat; when it comes out, all that was sent before it has
//! been delivered. What silence means is decided by that, never by the age of a worker's last word alone.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use drover_broker::{Delivery, Properties, Publication};
use drover_protocol::{MessageType, decode, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{app::App, relay::properties};

/// A marker. Internal to the orchestrators; other systems neither send nor see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Marker {
    /// When it was sent, by the database's clock.
    pub at: DateTime<Utc>,
}

impl MessageType for Marker {
    const NAME: &'static str = "drover.marker";
}

impl Marker {
    /// The marker that a delivery is, if it is one.
    pub(super) fn of(delivery: &Delivery) -> Option<Self> {
        let kind = delivery.properties.kind.as_deref();
        if kind != Some(Self::type_property().as_str()) {
            return None;
        }
        decode(kind, &delivery.body, limits::MESSAGE_BYTES).ok()
    }

    /// The message that carries it through a queue.
    #[must_use]
    pub fn publication(&self, app: &App, queue: String) -> Publication {
        Publication {
            exchange: app.names.events_exchange(),
            routing_key: queue,
            body: Bytes::from(serde_json::to_vec(self).unwrap_or_default()),
            properties: Properties { ..properties::<Self>(app) },
            mandatory: true,
        }
    }
}
