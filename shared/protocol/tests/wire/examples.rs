//! The examples are what the types write, and fit the schemas.

use drover_protocol::{
    Control, JobEvent, JobMessage, MessageType, Notification, Submission, SubmissionReply, WorkerEvent, decode, encode,
    example, limits, schema,
};
use serde_json::{Value, json};

fn examples<T: MessageType>() -> Vec<Value> {
    let wanted = T::type_property();
    example::all().into_iter().find(|examples| examples.type_property == wanted).unwrap().bodies
}

fn validator<T: MessageType>() -> jsonschema::Validator {
    let wanted = T::type_property();
    let message = schema::all().into_iter().find(|message| message.type_property == wanted).unwrap();
    jsonschema::options().should_validate_formats(true).build(&message.schema).unwrap()
}

/// Read, written again, equal; with the fields that a later version may add, equal still.
fn check<T: MessageType>() {
    let validator = validator::<T>();
    for example in examples::<T>() {
        let read: T = read(&example).unwrap();
        let written: Value = serde_json::from_slice(&encode(&read, limits::MESSAGE_BYTES).unwrap()).unwrap();
        assert_eq!(written, example);
        let errors: Vec<String> = validator.iter_errors(&written).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}\n{written}", T::NAME);
    }
}

fn read<T: MessageType>(body: &Value) -> Result<T, drover_protocol::DecodeError> {
    decode(Some(&T::type_property()), body.to_string().as_bytes(), limits::MESSAGE_BYTES)
}

#[test]
fn examples_are_read_and_written_unchanged() {
    check::<JobMessage>();
    check::<JobEvent>();
    check::<WorkerEvent>();
    check::<Control>();
    check::<Submission>();
    check::<SubmissionReply>();
    check::<Notification>();
}

/// Adds a field to every object that is not the user's own.
fn with_unknown_fields(value: &mut Value) {
    const OF_THE_USER: &[&str] =
        &["params", "result", "values", "items", "fields", "labels", "params_schema", "result_schema"];
    match value {
        Value::Object(fields) => {
            fields
                .iter_mut()
                .filter(|(key, _)| !OF_THE_USER.contains(&key.as_str()))
                .for_each(|(_, value)| with_unknown_fields(value));
            fields.insert("of_a_later_version".into(), json!({ "kind": 1, "deep": [null] }));
        }
        Value::Array(values) => values.iter_mut().for_each(with_unknown_fields),
        _ => {}
    }
}

fn check_unknown<T: MessageType>() {
    for example in examples::<T>() {
        let mut later = example.clone();
        with_unknown_fields(&mut later);
        let read: T = read(&later).unwrap_or_else(|error| panic!("{error}: {later}"));
        assert_eq!(serde_json::to_value(&read).unwrap(), example);
        assert!(validator::<T>().is_valid(&later), "the schema refuses a later version's field: {later}");
    }
}

#[test]
fn unknown_fields_are_ignored() {
    check_unknown::<JobMessage>();
    check_unknown::<JobEvent>();
    check_unknown::<WorkerEvent>();
    check_unknown::<Control>();
    check_unknown::<SubmissionReply>();
    check_unknown::<Notification>();
}

#[test]
fn a_typo_in_a_submission_is_refused_by_type_and_schema() {
    let typo = json!({ "type": "data_import", "parms": {} });
    let error = read::<Submission>(&typo).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the body is not a valid drover.submission: /parms is not known here; known are idempotency_key, labels, params, \
         run_at, type"
    );
    assert_eq!(error.field(), Some("/parms"));
    assert!(!validator::<Submission>().is_valid(&typo));
}

/// What is optional may be left out, and what is left out is not written as null.
#[test]
fn the_smallest_messages_are_read() {
    let id = "01980c5e-7a31-7b42-9d0e-6b1f0c9e7002";
    let event = json!({
        "job_id": id, "attempt": 1, "dispatch": 1, "worker_session": id, "seq": 0, "at": "2026-07-26T12:00:00Z",
        "kind": "progress",
    });
    assert_eq!(serde_json::to_value(read::<JobEvent>(&event).unwrap()).unwrap(), event);
    let job = json!({
        "id": id, "type": "t", "attempt": 1, "dispatch": 1, "root_id": id, "params": null, "idempotency_key": "k",
    });
    assert_eq!(serde_json::to_value(read::<JobMessage>(&job).unwrap()).unwrap(), job);
    let submission = read::<Submission>(&json!({ "type": "t" })).unwrap();
    assert_eq!(serde_json::to_value(submission).unwrap(), json!({ "type": "t", "params": {} }));
}

#[test]
fn schemas_refuse_what_the_types_refuse() {
    let good = examples::<JobEvent>().remove(1);
    let validator = validator::<JobEvent>();
    for (field, bad) in [
        ("percent", json!(101)),
        ("attempt", json!(0)),
        ("job_id", json!("7")),
        ("at", json!("yesterday")),
        ("kind", json!("begun")),
        ("seq", json!(-1)),
        ("processed", json!(u64::MAX)),
        ("message", json!("x".repeat(limits::PROGRESS_MESSAGE_BYTES + 1))),
    ] {
        let mut event = good.clone();
        event[field] = bad;
        assert!(read::<JobEvent>(&event).is_err(), "the type takes {event}");
        assert!(!validator.is_valid(&event), "the schema takes {event}");
    }
}
