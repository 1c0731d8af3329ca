//! The broker's address, which carries a password and therefore is shown redacted only.

use lapin::uri::AMQPUri;

use super::AmqpConfig;
use crate::{BrokerError, fit::MAX_SHORT_STRING_BYTES};

/// RabbitMQ's own default. Headers stand in one frame, so it bounds how deep they may nest.
const FRAME_BYTES: u32 = 131_072;

/// A checked address.
#[derive(Clone)]
pub(super) struct Address {
    /// For lapin, with heartbeat set.
    pub(super) uri: AMQPUri,
    /// For people, without the password.
    pub(super) shown: String,
}

impl Address {
    /// Checks the address of the configuration.
    pub(super) fn parse(config: &AmqpConfig) -> Result<Self, BrokerError> {
        let shown = redact(&config.uri);
        let invalid = |reason: &str| BrokerError::Address { address: shown.clone(), reason: reason.to_owned() };
        if !config.uri.starts_with("amqp://") && !config.uri.starts_with("amqps://") {
            return Err(invalid("it must begin with amqp:// or amqps://"));
        }
        // lapin's own words may repeat the whole address, so they are not passed on.
        let mut uri: AMQPUri = config.uri.parse().map_err(|_: String| {
            invalid("expected amqp://user:password@host:port/vhost, special characters percent-encoded (%2f for /)")
        })?;
        // lapin takes an IPv6 address for a missing host and would connect to localhost.
        if let Some(host) = ipv6_host(&config.uri) {
            uri.authority.host = host.to_owned();
        }
        // `amqp://host/` names the empty vhost by the letter; what people mean by it is the default one.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        if uri.vhost.len() > MAX_SHORT_STRING_BYTES {
            return Err(invalid("the vhost's name is longer than 255 bytes"));
        }
        let heartbeat_seconds = config.heartbeat.as_secs().clamp(1, u64::from(u16::MAX));
        uri.query.heartbeat = u16::try_from(heartbeat_seconds).ok();
        uri.query.frame_max = Some(FRAME_BYTES);
        Ok(Self { uri, shown })
    }
}

fn ipv6_host(uri: &str) -> Option<&str> {
    let authority = uri.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    host.strip_prefix('[')?.split_once(']').map(|(host, _)| host)
}

/// The address as it may be shown: without the password and without the query.
///
/// When in doubt about where the password ends it hides more, not less.
#[must_use]
pub fn redact(uri: &str) -> String {
    let (scheme, rest) = uri.split_once("://").map_or(("", uri), |(scheme, rest)| (scheme, rest));
    let separator = if scheme.is_empty() { "" } else { "://" };
    let shown = if let Some((user_info, host)) = rest.rsplit_once('@') {
        let user = user_info.split(':').next().unwrap_or_default();
        let password = if user_info.contains(':') { ":***" } else { "" };
        format!("{user}{password}@{host}")
    } else {
        hide_after_colon(rest)
    };
    let shown = shown.split('?').next().unwrap_or_default();
    format!("{scheme}{separator}{shown}")
}

/// `host:port/vhost` stays; in `user:password` whose host was forgotten, what is no port is hidden.
fn hide_after_colon(rest: &str) -> String {
    let is_port = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match rest.split_once(':') {
        Some((_, tail)) if is_port(tail.split(['/', '?']).next().unwrap_or_default()) => rest.to_owned(),
        Some(_) if rest.starts_with('[') => rest.to_owned(),
        Some((head, _)) => format!("{head}:***"),
        None => rest.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Result<Address, BrokerError> {
        Address::parse(&AmqpConfig::new(uri, "drover"))
    }

    #[test]
    fn a_password_is_never_shown() {
        for (uri, shown) in [
            ("amqp://drover:s3cret@broker:5672/%2f", "amqp://drover:***@broker:5672/%2f"),
            ("amqps://drover:s3c%40ret@broker/x?heartbeat=5", "amqps://drover:***@broker/x"),
            ("amqp://drover:s3/c?r@et@broker/x", "amqp://drover:***@broker/x"),
            ("amqp://drover:s3cret@[::1]:5672/x", "amqp://drover:***@[::1]:5672/x"),
            ("amqp://drover:s3cret", "amqp://drover:***"),
            ("drover:s3cret@broker", "drover:***@broker"),
            ("amqp://drover@broker/x", "amqp://drover@broker/x"),
            ("amqp://broker:5672/x", "amqp://broker:5672/x"),
            ("amqp://[::1]:5672/x", "amqp://[::1]:5672/x"),
            ("", ""),
        ] {
            assert_eq!(redact(uri), shown);
        }
    }

    #[test]
    fn an_error_has_no_password() {
        for uri in ["http://drover:s3cret@broker", "amqp://drover:s3cret@broker:port/x", "amqp:drover:s3cret"] {
            let error = parse(uri).err().unwrap().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn an_ipv6_host_is_kept_and_a_missing_vhost_is_the_default() {
        let address = parse("amqp://u:p@[2001:db8::7]:5671/").unwrap();
        assert_eq!(address.uri.authority.host, "2001:db8::7");
        assert_eq!(address.uri.authority.port, 5671);
        assert_eq!(address.uri.vhost, "/");
        assert_eq!(parse("amqp://10.0.0.7/a%2fb").unwrap().uri.vhost, "a/b");
        assert_eq!(parse("amqp://10.0.0.7").unwrap().uri.authority.host, "10.0.0.7");
    }
}
