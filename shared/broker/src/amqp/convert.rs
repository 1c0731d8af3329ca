//! Our properties as AMQP's and back.

use chrono::DateTime;
use lapin::{
    BasicProperties,
    message::Delivery as RawDelivery,
    types::{AMQPValue, FieldTable, ShortString},
};
use serde_json::Value;

use crate::{Delivery, Headers, Properties, Tag};

/// Written to disk by the broker before it confirms.
const PERSISTENT: u8 = 2;

/// The properties of a publication that passed [`crate::fit::check`], under this message id.
pub(super) fn to_amqp(properties: &Properties, message_id: &str) -> BasicProperties {
    let Properties { message_id: _, correlation_id, kind, content_type, reply_to, app_id, timestamp, headers } =
        properties;
    let mut amqp = BasicProperties::default().with_delivery_mode(PERSISTENT).with_message_id(message_id.into());
    let short = |text: &String| ShortString::from(text.as_str());
    if let Some(text) = correlation_id {
        amqp = amqp.with_correlation_id(short(text));
    }
    if let Some(text) = kind {
        amqp = amqp.with_type(short(text));
    }
    if let Some(text) = content_type {
        amqp = amqp.with_content_type(short(text));
    }
    if let Some(text) = reply_to {
        amqp = amqp.with_reply_to(short(text));
    }
    if let Some(text) = app_id {
        amqp = amqp.with_app_id(short(text));
    }
    // Times before 1970 have no form in AMQP.
    if let Some(seconds) = timestamp.and_then(|time| u64::try_from(time.timestamp()).ok()) {
        amqp = amqp.with_timestamp(seconds);
    }
    if headers.is_empty() { amqp } else { amqp.with_headers(to_table(headers)) }
}

fn to_table(headers: &Headers) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in headers {
        table.insert(key.as_str().into(), AMQPValue::LongString(value.as_str().into()));
    }
    table
}

/// A delivery as our callers see it.
pub(super) fn from_amqp(raw: RawDelivery, tag: Tag) -> Delivery {
    Delivery {
        tag,
        body: raw.data.into(),
        properties: properties(&raw.properties),
        exchange: raw.exchange.into(),
        routing_key: raw.routing_key.into(),
        redelivered: raw.redelivered,
    }
}

fn properties(amqp: &BasicProperties) -> Properties {
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let time = |seconds: &u64| i64::try_from(*seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let headers = amqp.headers().iter().flat_map(FieldTable::inner);
    Properties {
        message_id: text(amqp.message_id()),
        correlation_id: text(amqp.correlation_id()),
        kind: text(amqp.kind()),
        content_type: text(amqp.content_type()),
        reply_to: text(amqp.reply_to()),
        app_id: text(amqp.app_id()),
        timestamp: amqp.timestamp().as_ref().and_then(time),
        headers: headers.map(|(key, value)| (key.to_string(), header_text(value))).collect(),
    }
}

/// Lists and tables in headers are read so deep; what is below is left out.
const DEPTH: usize = 16;

/// Other programs write headers of any type; lists and tables (`x-death`) become JSON.
fn header_text(value: &AMQPValue) -> String {
    match to_json(value, DEPTH) {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn to_json(value: &AMQPValue, depth: usize) -> Value {
    let bytes = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
    match value {
        AMQPValue::Boolean(value) => Value::from(*value),
        AMQPValue::ShortShortInt(value) => Value::from(*value),
        AMQPValue::ShortShortUInt(value) => Value::from(*value),
        AMQPValue::ShortInt(value) => Value::from(*value),
        AMQPValue::ShortUInt(value) => Value::from(*value),
        AMQPValue::LongInt(value) => Value::from(*value),
        AMQPValue::LongUInt(value) => Value::from(*value),
        AMQPValue::LongLongInt(value) => Value::from(*value),
        AMQPValue::Float(value) => Value::from(*value),
        AMQPValue::Double(value) => Value::from(*value),
        AMQPValue::DecimalValue(value) => Value::from(f64::from(value.value) / 10f64.powi(i32::from(value.scale))),
        AMQPValue::ShortString(value) => Value::from(value.as_str()),
        AMQPValue::LongString(value) => bytes(value.as_bytes()),
        AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) if depth == 0 => Value::from("…"),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(|value| to_json(value, depth - 1)).collect(),
        AMQPValue::Timestamp(seconds) => Value::from(*seconds),
        AMQPValue::FieldTable(table) => {
            table.inner().iter().map(|(key, value)| (key.to_string(), to_json(value, depth - 1))).collect()
        }
        AMQPValue::ByteArray(value) => bytes(value.as_slice()),
        AMQPValue::Void => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_too_deep_is_left_out() {
        let mut value = AMQPValue::Void;
        for _ in 0..200 {
            value = AMQPValue::FieldArray(vec![value].into());
        }
        let text = header_text(&value);
        assert_eq!(text, format!("{}\"…\"{}", "[".repeat(DEPTH), "]".repeat(DEPTH)));
    }

    #[test]
    fn headers_of_any_type_become_text() {
        let mut inner = FieldTable::default();
        inner.insert("queue".into(), AMQPValue::LongString("jobs".into()));
        inner.insert("count".into(), AMQPValue::LongLongInt(3));
        let table = AMQPValue::FieldArray(vec![AMQPValue::FieldTable(inner)].into());
        for (value, text) in [
            (AMQPValue::LongString("a".into()), "a"),
            (AMQPValue::LongInt(-7), "-7"),
            (AMQPValue::Boolean(true), "true"),
            (AMQPValue::Void, ""),
            (table, r#"[{"count":3,"queue":"jobs"}]"#),
        ] {
            assert_eq!(header_text(&value), text);
        }
    }
}
