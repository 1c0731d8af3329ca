//! The committed documents are what the types say.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use drover_protocol::{
    Control, JobEvent, JobMessage, MessageType, Names, Notification, Submission, SubmissionReply, WorkerEvent,
    asyncapi, example, schema,
};
use serde_json::Value;

const README: &str = "README.md";

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/wire").join(file)
}

/// Compares with the committed file, or rewrites it when `UPDATE_GOLDEN` is set.
fn assert_golden(file: &str, text: &str) {
    let path = path(file);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(&path, text).unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let line = committed.lines().zip(text.lines()).position(|(old, new)| old != new);
    let line = line.unwrap_or_else(|| committed.lines().count().min(text.lines().count())) + 1;
    assert!(
        committed == text,
        "docs/wire/{file} differs from the types, first in line {line}. If the change is meant, run\n    \
         UPDATE_GOLDEN=1 cargo test -p drover-protocol\nand commit what it wrote."
    );
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[test]
fn schemas_are_committed() {
    for message in schema::all() {
        assert_golden(&format!("{}.schema.json", message.type_property), &pretty(&message.schema));
    }
}

#[test]
fn the_asyncapi_document_is_committed() {
    assert_golden("asyncapi.json", &pretty(&asyncapi::document(&Names::default())));
}

/// The example as its type writes it, fields in the order of the type.
fn in_field_order(type_property: &str, body: &Value) -> String {
    fn written<T: MessageType>(body: &Value) -> String {
        serde_json::to_string(&serde_json::from_value::<T>(body.clone()).unwrap()).unwrap()
    }
    match type_property {
        "drover.job.v1" => written::<JobMessage>(body),
        "drover.event.v1" => written::<JobEvent>(body),
        "drover.worker.v1" => written::<WorkerEvent>(body),
        "drover.control.v1" => written::<Control>(body),
        "drover.submission.v1" => written::<Submission>(body),
        "drover.submission_reply.v1" => written::<SubmissionReply>(body),
        "drover.notification.v1" => written::<Notification>(body),
        other => panic!("{other} has no type here"),
    }
}

/// The page is written by hand; only the examples in it are put in place.
#[test]
fn the_page_shows_the_examples() {
    let mut page = fs::read_to_string(path(README)).unwrap();
    for examples in example::all() {
        let marker = format!("<!-- examples: {} -->\n", examples.type_property);
        let (before, rest) = page.split_once(&marker).unwrap_or_else(|| panic!("{README} lacks {marker}"));
        let (_, after) = rest.split_once("```\n").unwrap_or_else(|| panic!("{README}: no block ends after {marker}"));
        let mut block = String::from("```json\n");
        for body in &examples.bodies {
            writeln!(block, "{}", in_field_order(&examples.type_property, body)).unwrap();
        }
        page = format!("{before}{marker}{block}```\n{after}");
    }
    assert_golden(README, &page);
}

/// Every `$ref` of the document leads somewhere.
#[test]
fn references_of_the_asyncapi_document_resolve() {
    fn walk(value: &Value, root: &Value, count: &mut usize) {
        if let Some(to) = value["$ref"].as_str() {
            assert!(root.pointer(to.trim_start_matches('#')).is_some(), "{to} leads nowhere");
            *count += 1;
        }
        let inner: Vec<&Value> = match value {
            Value::Object(fields) => fields.values().collect(),
            Value::Array(values) => values.iter().collect(),
            _ => Vec::new(),
        };
        inner.into_iter().for_each(|value| walk(value, root, count));
    }
    let document = asyncapi::document(&Names::default());
    let mut count = 0;
    walk(&document, &document, &mut count);
    assert!(count > 50, "only {count} references found");
}

/// The examples fit the schemas of the AsyncAPI document too, which are in another draft.
#[test]
fn examples_fit_the_asyncapi_schemas() {
    let document = asyncapi::document(&Names::default());
    let messages = document["components"]["messages"].as_object().unwrap();
    for (name, message) in messages {
        let mut schema = document.clone();
        let Some(payload) = message.get("payload") else { continue };
        let root = schema.as_object_mut().unwrap();
        root.insert("allOf".into(), Value::Array(vec![payload.clone()]));
        root.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
        let validator = jsonschema::validator_for(&schema).unwrap();
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            let errors: Vec<String> =
                validator.iter_errors(&example["payload"]).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
        assert!(!validator.is_valid(&serde_json::json!({ "kind": "?" })), "{name}: the schema refuses nothing");
    }
}

#[test]
fn the_prefix_reaches_every_name() {
    let document = asyncapi::document(&Names::new("acme").unwrap()).to_string();
    for name in ["acme.jobs", "acme.events", "acme.heartbeats", "acme.logs", "acme.control", "acme.submit", "acme.dead"]
    {
        assert!(document.contains(&format!("\"{name}\"")), "{name} is not in the document");
    }
    for address in ["\"address\":\"drover.", "\"name\":\"drover.jobs\"", "\"name\":\"drover.events\""] {
        assert!(!document.contains(address), "{address} stands there without the prefix");
    }
}
