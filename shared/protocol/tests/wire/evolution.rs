//! Messages of a later version of Drover: a field that is new is passed over, another major version is refused.

use drover_protocol::{
    Control, JobEvent, JobMessage, MessageType, Notification, Submission, SubmissionReply, WorkerEvent, decode,
    decode_one_or_many, example, limits,
};
use serde_json::{Value, json};

const LIMIT: usize = limits::MESSAGE_BYTES;

fn examples<T: MessageType>() -> Vec<Value> {
    let all = example::all().into_iter().filter(|examples| examples.type_property == T::type_property());
    let bodies: Vec<Value> = all.flat_map(|examples| examples.bodies).collect();
    assert!(!bodies.is_empty(), "{}", T::NAME);
    bodies
}

/// Adds a field to the value and to every object in it, but for those that hold what users put there.
fn with_news(value: &Value) -> Value {
    const OF_USERS: &[&str] =
        &["params", "result", "labels", "fields", "items", "values", "params_schema", "result_schema"];
    match value {
        Value::Object(fields) => {
            let keep = |(name, value): (&String, &Value)| {
                let value = if OF_USERS.contains(&name.as_str()) { value.clone() } else { with_news(value) };
                (name.clone(), value)
            };
            let news = ("news".to_owned(), json!({ "of": ["a", "later", "version"] }));
            Value::Object(fields.iter().map(keep).chain([news]).collect())
        }
        Value::Array(values) => values.iter().map(with_news).collect(),
        other => other.clone(),
    }
}

fn a_new_field_is_passed_over<T: MessageType>() {
    for body in examples::<T>() {
        let known = decode::<T>(None, body.to_string().as_bytes(), LIMIT).unwrap();
        let news = with_news(&body).to_string();
        let read = decode::<T>(Some(&T::type_property()), news.as_bytes(), LIMIT);
        let read = read.unwrap_or_else(|error| panic!("{}: {error}: {news}", T::NAME));
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&known).unwrap());
    }
}

#[test]
fn a_new_field_is_passed_over_in_every_kind_of_message() {
    a_new_field_is_passed_over::<JobMessage>();
    a_new_field_is_passed_over::<JobEvent>();
    a_new_field_is_passed_over::<WorkerEvent>();
    a_new_field_is_passed_over::<Control>();
    a_new_field_is_passed_over::<SubmissionReply>();
    a_new_field_is_passed_over::<Notification>();
}

/// A submission is an order: what is not understood of it may be what matters.
#[test]
fn a_new_field_of_a_submission_is_refused_and_named() {
    for body in examples::<Submission>() {
        let error = decode::<Submission>(None, with_news(&body).to_string().as_bytes(), LIMIT).unwrap_err();
        assert!(error.to_string().contains("news"), "{error}");
    }
}

fn a_newer_version_is_refused<T: MessageType>() {
    let newer = format!("{}.v{}", T::NAME, T::VERSION + 1);
    for body in examples::<T>() {
        let body = body.to_string();
        let error = decode::<T>(Some(&newer), body.as_bytes(), LIMIT).map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("{newer:?} is newer than {:?}", T::type_property())), "{error}");
        let error = decode_one_or_many::<T>(Some(&newer), body.as_bytes(), LIMIT).map(drop).unwrap_err().to_string();
        assert!(error.contains("update this process"), "{error}");
    }
}

#[test]
fn a_newer_major_version_is_refused_in_every_kind_of_message() {
    a_newer_version_is_refused::<JobMessage>();
    a_newer_version_is_refused::<JobEvent>();
    a_newer_version_is_refused::<WorkerEvent>();
    a_newer_version_is_refused::<Control>();
    a_newer_version_is_refused::<Submission>();
    a_newer_version_is_refused::<SubmissionReply>();
    a_newer_version_is_refused::<Notification>();
}
