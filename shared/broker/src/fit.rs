//! What a message may be. The same for every broker: what a test or `drover dev` can send, a fleet can send.

use crate::{Properties, Publication, PublishError};

/// The longest name and short property that AMQP 0-9-1 can carry.
pub(crate) const MAX_SHORT_STRING_BYTES: usize = 255;
/// RabbitMQ 4 refuses longer bodies by default, and closes the channel over it.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// All properties travel in one frame of 128 KiB; this leaves room for those that are not headers.
const MAX_HEADERS_BYTES: usize = 96 * 1024;

/// Whether AMQP can carry the publication. One that it cannot carry would cost the others the channel.
pub(crate) fn check(publication: &Publication) -> Result<(), PublishError> {
    let Properties { message_id, correlation_id, kind, content_type, reply_to, app_id, timestamp: _, headers } =
        &publication.properties;
    let header_bytes: usize = headers.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
    let short = MAX_SHORT_STRING_BYTES;
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let parts = [
        ("exchange", publication.exchange.len(), short),
        ("routing key", publication.routing_key.len(), short),
        ("message_id", length(message_id), short),
        ("correlation_id", length(correlation_id), short),
        ("type", length(kind), short),
        ("content_type", length(content_type), short),
        ("reply_to", length(reply_to), short),
        ("app_id", length(app_id), short),
        ("longest header name", headers.keys().map(String::len).max().unwrap_or(0), short),
        ("headers", header_bytes, MAX_HEADERS_BYTES),
        ("body", publication.body.len(), MAX_BODY_BYTES),
    ];
    match parts.iter().find(|(_, length, limit)| length > limit) {
        None => Ok(()),
        Some((part, length, limit)) => {
            Err(PublishError::Unfit { reason: format!("{part}: {length} bytes, and at most {limit} are possible") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_amqp_cannot_carry_is_refused_with_the_part_named() {
        let good = Publication {
            exchange: String::new(),
            routing_key: "queue".into(),
            body: "{}".into(),
            properties: Properties::default(),
            mandatory: true,
        };
        assert_eq!(check(&good), Ok(()));
        let long = "x".repeat(MAX_SHORT_STRING_BYTES + 1);
        let refused = |part: &str, change: &dyn Fn(&mut Publication)| {
            let mut publication = good.clone();
            change(&mut publication);
            match check(&publication) {
                Err(PublishError::Unfit { reason }) => assert!(reason.starts_with(part), "{reason}"),
                other => panic!("{part}: {other:?}"),
            }
        };
        refused("routing key: 256 bytes", &|publication| publication.routing_key.clone_from(&long));
        refused("reply_to: 256 bytes", &|publication| publication.properties.reply_to = Some(long.clone()));
        refused("longest header name", &|publication| {
            publication.properties.headers.insert(long.clone(), String::new());
        });
        refused("headers", &|publication| {
            publication.properties.headers.insert("key".into(), "x".repeat(MAX_HEADERS_BYTES));
        });
        refused("body: 16777217 bytes", &|publication| publication.body = vec![0; MAX_BODY_BYTES + 1].into());
    }
}
