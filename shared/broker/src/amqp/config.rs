//! Where the broker is and how patient we are with it.

use std::{fmt, time::Duration};

use super::address::redact;

/// How to reach RabbitMQ. [`AmqpConfig::new`] fills in what suits most installations; every field may be changed.
#[derive(Clone)]
pub struct AmqpConfig {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. Without a vhost it is `/`, as `%2f` names it.
    pub uri: String,
    /// The prefix of the queues that this crate keeps for itself (the epoch), see [`drover_protocol::Names`].
    pub prefix: String,
    /// What the broker's management page calls our connections; the role (`publish`, `consume`) is appended.
    pub connection_name: String,
    /// Certificates, in PEM, that `amqps://` trusts besides those of the system.
    pub ca_pem: Option<String>,
    /// How long [`super::AmqpBroker::connect`] tries before it gives up.
    pub startup_timeout: Duration,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// How long a call (declare, consume, depth, …) may take, waiting for a connection included.
    pub operation_timeout: Duration,
    /// How long a publication waits for a connection that takes it, and then, as long again at most, for its confirm.
    pub publish_timeout: Duration,
    /// Pause between heartbeats, in whole seconds on the wire. A frozen broker is noticed after twice that.
    pub heartbeat: Duration,
    /// The delay before the first reconnect; later ones grow.
    pub reconnect_initial: Duration,
    /// The longest delay between reconnects.
    pub reconnect_max: Duration,
    /// A subscription that delivered nothing for so long is made anew. RabbitMQ now and then forgets a consumer without a
    /// word, for example when its queue is deleted and declared again within some 50 ms (seen with 3.10.8).
    pub idle_renewal: Duration,
    /// Channels that publish side by side. One publish call stays on one channel, so its order is kept.
    pub publish_lanes: usize,
}

impl AmqpConfig {
    /// The usual settings for this address and prefix.
    #[must_use]
    pub fn new(uri: impl Into<String>, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        Self {
            uri: uri.into(),
            connection_name: prefix.clone(),
            prefix,
            ca_pem: None,
            startup_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            reconnect_initial: Duration::from_millis(100),
            reconnect_max: Duration::from_secs(5),
            idle_renewal: Duration::from_secs(60),
            publish_lanes: 2,
        }
    }
}

impl fmt::Debug for AmqpConfig {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpConfig")
            .field("uri", &redact(&self.uri))
            .field("prefix", &self.prefix)
            .field("connection_name", &self.connection_name)
            .field("publish_timeout", &self.publish_timeout)
            .field("operation_timeout", &self.operation_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_password() {
        let config = AmqpConfig::new("amqp://drover:s3cret@broker:5672/%2f", "drover");
        let text = format!("{config:?}");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("amqp://drover:***@broker:5672/%2f"), "{text}");
    }
}
