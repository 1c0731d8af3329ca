//! What is refused, and in which words.

use drover_protocol::{
    Control, DecodeError, JobEvent, JobMessage, Submission, WorkerEvent, decode, decode_one_or_many, encode, example,
    limits,
};
use serde_json::{Value, json};

const LIMIT: usize = limits::MESSAGE_BYTES;

fn example(type_property: &str, index: usize) -> Value {
    example::all().into_iter().find(|examples| examples.type_property == type_property).unwrap().bodies.remove(index)
}

/// The error for an example in which one field was replaced (or removed, with `None`).
fn refused<T: drover_protocol::MessageType>(index: usize, pointer: &str, value: Option<Value>) -> DecodeError {
    let mut body = example(&T::type_property(), index);
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match (body.pointer_mut(parent).unwrap(), value) {
        (Value::Array(values), Some(value)) => values[key.parse::<usize>().unwrap()] = value,
        (parent, Some(value)) => parent[key] = value,
        (parent, None) => drop(parent.as_object_mut().unwrap().remove(key)),
    }
    let error = decode::<T>(None, body.to_string().as_bytes(), LIMIT).map(drop).unwrap_err();
    assert_eq!(error.field(), Some(pointer), "{error}");
    error
}

#[test]
fn a_misfit_is_named_by_its_pointer() {
    let cases = [
        (1, "/percent", Some(json!("half")), "/percent is \"half\"; it must be a number"),
        (1, "/processed", Some(json!(-3)), "/processed is -3; it must be at least 0"),
        (1, "/job_id", None, "/job_id is missing"),
        (1, "/job_id", Some(json!("7")), "/job_id is \"7\"; it must be a UUID"),
        (1, "/attempt", Some(json!(1.5)), "/attempt is 1.5; it must be an integer"),
        (1, "/attempt", Some(json!(5_000_000_000_u64)), "/attempt is 5000000000; it must be at most 4294967295"),
        (1, "/kind", None, "/kind is missing"),
        (
            1,
            "/kind",
            Some(json!("begun")),
            "/kind is \"begun\"; it must be one of started, progress, items, log, completed, completed_with_errors, \
             failed, cancelled, released",
        ),
        (
            1,
            "/at",
            Some(json!("noon")),
            "/at is \"noon\"; it must be a time by RFC 3339, for example 2026-01-31T12:00:00Z",
        ),
        (3, "/level", Some(json!("loud")), "/level is \"loud\"; it must be one of trace, debug, info, warn, error"),
        (4, "/result", None, "/result is missing"),
        (5, "/errors/0/message", Some(json!(7)), "/errors/0/message is 7; it must be a string"),
        (6, "/progress/percent", Some(json!(true)), "/progress/percent is true; it must be a number"),
    ];
    for (index, pointer, value, text) in cases {
        let error = refused::<JobEvent>(index, pointer, value);
        assert_eq!(error.to_string(), format!("the body is not a valid drover.event: {text}"));
    }
    let error = refused::<JobMessage>(0, "/type", Some(json!("Import")));
    assert!(error.to_string().contains("\"Import\" is not a valid name for a job type"), "{error}");
}

#[test]
fn a_broken_limit_names_field_value_and_limit() {
    let long = |bytes: usize| Some(json!("x".repeat(bytes + 1)));
    let cases = [
        (1, "/percent", Some(json!(100.5)), "/percent is 100.5; it must be from 0 to 100"),
        (1, "/message", long(limits::PROGRESS_MESSAGE_BYTES), "/message has 4097 bytes; the limit is 4096"),
        (1, "/total", Some(json!(u64::MAX)), "/total is 18446744073709551615; the limit is 9223372036854775807"),
        (1, "/dispatch", Some(json!(0)), "/dispatch is 0; it must be from 1 to 2147483647"),
        (1, "/at", Some(json!("+12026-01-01T00:00:00Z")), "/at is in the year 12026; it must be from 1970 to 9999"),
        (2, "/name", Some(json!("")), "/name is empty"),
        (3, "/message", long(limits::LOG_MESSAGE_BYTES), "/message has 16385 bytes; the limit is 16384"),
        (4, "/warnings", Some(json!(vec!["w"; 101])), "/warnings has 101 entries; the limit is 100"),
        (
            4,
            "/items/file_list",
            Some(json!(u64::MAX)),
            "/items/file_list is 18446744073709551615; the limit is 9223372036854775807",
        ),
        (5, "/errors/0/kind", long(limits::ERROR_KIND_BYTES), "/errors/0/kind has 65 bytes; the limit is 64"),
        (6, "/error/message", long(limits::ERROR_MESSAGE_BYTES), "/error/message has 16385 bytes; the limit is 16384"),
        (6, "/progress/percent", Some(json!(-1)), "/progress/percent is -1; it must be from 0 to 100"),
    ];
    for (index, pointer, value, text) in cases {
        assert_eq!(refused::<JobEvent>(index, pointer, value).to_string(), text);
    }
}

#[test]
fn limits_of_the_other_messages_hold() {
    let ten_years = "it must be above 0 and at most 315360000 seconds";
    assert_eq!(
        refused::<JobMessage>(0, "/timeout_seconds", Some(json!(1e300))).to_string(),
        format!("/timeout_seconds is 1{}; {ten_years}", "0".repeat(300))
    );
    assert_eq!(
        refused::<Control>(0, "/lease_seconds", Some(json!(0.0))).to_string(),
        format!("/lease_seconds is 0; {ten_years}")
    );
    assert_eq!(
        refused::<Control>(1, "/jobs/0/dispatch", Some(json!(0))).to_string(),
        "/jobs/0/dispatch is 0; it must be from 1 to 2147483647"
    );
    assert_eq!(
        refused::<WorkerEvent>(0, "/types/0/params_schema", Some(json!(7))).to_string(),
        "/types/0/params_schema is no JSON Schema: an object, true or false"
    );
    let labels: serde_json::Map<String, Value> = (0..33).map(|i| (format!("l{i}"), json!("v"))).collect();
    assert_eq!(
        refused::<Submission>(0, "/labels", Some(labels.into())).to_string(),
        "/labels has 33 entries; the limit is 32"
    );
    assert_eq!(
        refused::<Submission>(0, "/labels/team", Some(json!("x".repeat(256)))).to_string(),
        "/labels/team has 256 bytes; the limit is 255"
    );
    refused::<Submission>(0, "/run_at", Some(json!("0001-01-01T00:00:00Z")));
}

#[test]
fn a_nul_is_refused_with_its_place_in_and_out() {
    let error = refused::<JobEvent>(1, "/message", Some(json!("a\0b")));
    assert_eq!(error.to_string(), "/message holds a NUL character (U+0000), which cannot be stored; remove it");
    refused::<JobEvent>(2, "/values/1", Some(json!("\0")));
    let key = json!({ "rows": [{ "a/b": { "x\0": 1 } }] });
    let mut body = example("drover.event.v1", 4);
    body["result"] = key.clone();
    let error = decode::<JobEvent>(None, body.to_string().as_bytes(), LIMIT).unwrap_err();
    assert_eq!(error, DecodeError::Nul { field: "/result/rows/0/a~1b/x\\0".into() });

    let mut job: JobMessage = serde_json::from_value(example("drover.job.v1", 0)).unwrap();
    job.params = key;
    assert_eq!(encode(&job, LIMIT).unwrap_err(), DecodeError::Nul { field: "/params/rows/0/a~1b/x\\0".into() });

    // The text `\u0000` itself, written with an escaped backslash, is no NUL.
    job.params = json!("\\u0000");
    assert_eq!(decode::<JobMessage>(None, &encode(&job, LIMIT).unwrap(), LIMIT).unwrap(), job);
}

#[test]
fn another_type_or_major_version_is_refused() {
    let body = example("drover.job.v1", 0).to_string();
    for found in ["drover.job.v0", "drover.event.v1", "drover.event.v2", "drover.job", "drover.job.vnext", ""] {
        let error = decode::<JobMessage>(Some(found), body.as_bytes(), LIMIT).unwrap_err();
        let expected = format!("message type {found:?} is not understood here; expected \"drover.job.v1\"");
        assert_eq!(error.to_string(), expected);
    }
    let newer = decode::<JobMessage>(Some("drover.job.v2"), body.as_bytes(), LIMIT).unwrap_err().to_string();
    let words = "message type \"drover.job.v2\" is newer than \"drover.job.v1\", which is what is understood here: update this \
                 process";
    assert_eq!(newer, words);
    assert!(decode::<JobMessage>(None, body.as_bytes(), LIMIT).is_ok());
}

#[test]
fn a_body_over_the_limit_is_refused_in_and_out() {
    let body = example("drover.job.v1", 0);
    let size = body.to_string().len();
    let text = format!("the message has {size} bytes; the limit is 100. Send long lists as `items` events");
    let error = decode::<JobMessage>(None, body.to_string().as_bytes(), 100).unwrap_err();
    assert_eq!(error.to_string(), text);
    let job: JobMessage = serde_json::from_value(body).unwrap();
    assert_eq!(encode(&job, 100).unwrap_err(), error);
    assert!(encode(&job, size).is_ok());
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    let error = decode::<JobMessage>(None, b"{\n  \"id\": oops", LIMIT).unwrap_err();
    assert_eq!(error.to_string(), "the body is not a valid drover.job: expected value at line 2 column 9");
    let deep = "[".repeat(100_000);
    assert!(decode_one_or_many::<JobEvent>(None, deep.as_bytes(), LIMIT).is_err());
    let deep = format!("{{\"params\":{deep}");
    assert!(decode::<JobMessage>(None, deep.as_bytes(), LIMIT).is_err());
}

#[test]
fn a_bad_entry_of_an_array_harms_itself_only() {
    let good = example("drover.event.v1", 0);
    let mut bad = good.clone();
    bad["seq"] = json!("one");
    let body = format!(" [{good}, {bad}, 7, {good}]");
    let parts = decode_one_or_many::<JobEvent>(Some("drover.event.v1"), body.as_bytes(), LIMIT).unwrap();
    assert_eq!(parts.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
    let part = parts[1].as_ref().unwrap_err();
    assert_eq!(part.body, bad.to_string().as_bytes());
    assert_eq!(part.to_string(), "the body is not a valid drover.event: /seq is \"one\"; it must be an integer");
    assert_eq!(
        parts[2].as_ref().unwrap_err().to_string(),
        "the body is not a valid drover.event: it is 7; it must be an object"
    );

    let single = decode_one_or_many::<JobEvent>(None, good.to_string().as_bytes(), LIMIT).unwrap();
    assert!(matches!(single.as_slice(), [Ok(_)]));
    assert!(decode_one_or_many::<JobEvent>(None, b"[]", LIMIT).unwrap().is_empty());
}

#[test]
fn an_array_over_its_limit_is_refused_as_a_whole() {
    let body = format!("[{}1]", "1,".repeat(limits::EVENTS_PER_MESSAGE));
    let error = decode_one_or_many::<JobEvent>(None, body.as_bytes(), LIMIT).unwrap_err();
    assert_eq!(error.to_string(), "the array has 1001 entries; the limit is 1000");
    assert_eq!(error.field(), None);
}
