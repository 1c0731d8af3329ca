//! Which field of a value does not fit a schema: as much of JSON Schema as our own types use, for a clear error.

use std::fmt;

use chrono::DateTime;
use serde_json::Value;
use uuid::Uuid;

use crate::{JobType, message::pointer_part};

/// Longest excerpt of a refused value in an error, in characters.
const SHOWN_CHARS: usize = 60;

/// The first field that does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// JSON pointer; empty for the body itself.
    pub(crate) pointer: String,
    problem: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.pointer.is_empty() { "it" } else { &self.pointer };
        write!(f, "{field} {}", self.problem)
    }
}

/// The first field of `value` that does not fit; `None` when the schema finds no fault.
pub(crate) fn find(schema: &Value, value: &Value) -> Option<Misfit> {
    Search { root: schema }.check(schema, value, "")
}

struct Search<'a> {
    root: &'a Value,
}

impl Search<'_> {
    fn check(&self, schema: &Value, value: &Value, pointer: &str) -> Option<Misfit> {
        let referred = schema["$ref"].as_str().and_then(|to| self.root.pointer(to.trim_start_matches('#')));
        None.or_else(|| referred.and_then(|schema| self.check(schema, value, pointer)))
            .or_else(|| wrong_type(schema, value, pointer))
            .or_else(|| wrong_text(schema, value, pointer))
            .or_else(|| wrong_number(schema, value, pointer))
            .or_else(|| self.wrong_choice(schema, value, pointer))
            .or_else(|| self.wrong_field(schema, value, pointer))
            .or_else(|| {
                let entries = value.as_array().filter(|_| schema["items"].is_object())?.iter().enumerate();
                entries
                    .into_iter()
                    .find_map(|(i, entry)| self.check(&schema["items"], entry, &format!("{pointer}/{i}")))
            })
    }

    /// `oneOf` and `anyOf`: variants told apart by a tag, names of an enumeration, or a type that may be null.
    fn wrong_choice(&self, schema: &Value, value: &Value, pointer: &str) -> Option<Misfit> {
        let choices = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array())?;
        let faults: Vec<Option<Misfit>> = choices.iter().map(|choice| self.check(choice, value, pointer)).collect();
        if faults.iter().any(Option::is_none) {
            return None;
        }
        let tag = |choice: &Value| {
            let (key, tag) = choice["properties"].as_object()?.iter().find(|(_, schema)| !schema["const"].is_null())?;
            Some((key.clone(), tag["const"].clone()))
        };
        let Some(tags) = choices.iter().map(tag).collect::<Option<Vec<_>>>() else {
            let names: Vec<&Value> = choices.iter().map(|choice| &choice["const"]).collect();
            if names.iter().all(|name| !name.is_null()) {
                return Some(misfit(pointer, not_one_of(value, &names)));
            }
            return faults.into_iter().flatten().max_by_key(|fault| fault.pointer.len());
        };
        let (key, _) = tags.first()?;
        let Some(found) = value.get(key) else { return Some(misfit(&format!("{pointer}/{key}"), "is missing".into())) };
        if let Some(index) = tags.iter().position(|(_, tag)| tag == found) {
            return faults.into_iter().nth(index)?;
        }
        let names: Vec<&Value> = tags.iter().map(|(_, tag)| tag).collect();
        Some(misfit(&format!("{pointer}/{key}"), not_one_of(found, &names)))
    }

    fn wrong_field(&self, schema: &Value, value: &Value, pointer: &str) -> Option<Misfit> {
        let (properties, fields) = (schema["properties"].as_object()?, value.as_object()?);
        let at = |key: &str| format!("{pointer}/{}", pointer_part(key));
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let missing = |key: &str| (!fields.contains_key(key)).then(|| misfit(&at(key), "is missing".into()));
        let known = || properties.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let unknown = |key: &String| {
            let refused = schema["additionalProperties"] == false && !properties.contains_key(key);
            refused.then(|| misfit(&at(key), format!("is not known here; known are {}", known())))
        };
        let each = schema["additionalProperties"].as_object().map(|_| &schema["additionalProperties"]);
        None.or_else(|| fields.keys().find_map(unknown)).or_else(|| required.into_iter().find_map(missing)).or_else(
            || fields.iter().find_map(|(key, value)| self.check(properties.get(key).or(each)?, value, &at(key))),
        )
    }
}

fn misfit(pointer: &str, problem: String) -> Misfit {
    Misfit { pointer: pointer.into(), problem }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS {
        return text;
    }
    text.chars().take(SHOWN_CHARS).chain(['…']).collect()
}

fn not_one_of(value: &Value, names: &[&Value]) -> String {
    let names: Vec<&str> = names.iter().filter_map(|name| name.as_str()).collect();
    format!("is {}; it must be one of {}", shown(value), names.join(", "))
}

fn wrong_type(schema: &Value, value: &Value, pointer: &str) -> Option<Misfit> {
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    if kinds.iter().any(fits) {
        return None;
    }
    let wanted = kinds.iter().find(|kind| **kind != "null").copied().unwrap_or("null");
    let article = if wanted.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    Some(misfit(pointer, format!("is {}; it must be {article} {wanted}", shown(value))))
}

fn wrong_text(schema: &Value, value: &Value, pointer: &str) -> Option<Misfit> {
    let text = value.as_str()?;
    let wanted = match schema["format"].as_str() {
        Some("uuid") if Uuid::parse_str(text).is_err() => "a UUID",
        Some("date-time") if DateTime::parse_from_rfc3339(text).is_err() => {
            "a time by RFC 3339, for example 2026-01-31T12:00:00Z"
        }
        _ if schema["pattern"] == JobType::PATTERN => {
            return Some(misfit(pointer, format!("is refused: {}", JobType::new(text).err()?)));
        }
        _ if schema["const"].is_string() && schema["const"] != *value => return not_const(schema, value, pointer),
        _ => return None,
    };
    Some(misfit(pointer, format!("is {}; it must be {wanted}", shown(value))))
}

fn not_const(schema: &Value, value: &Value, pointer: &str) -> Option<Misfit> {
    Some(misfit(pointer, not_one_of(value, &[&schema["const"]])))
}

fn wrong_number(schema: &Value, value: &Value, pointer: &str) -> Option<Misfit> {
    let number = value.as_f64()?;
    let minimum = schema["minimum"].as_f64().filter(|minimum| number < *minimum);
    let maximum = match schema["format"].as_str() {
        Some("uint32") => Some(f64::from(u32::MAX)),
        _ => schema["maximum"].as_f64(),
    };
    let problem = match (minimum, maximum.filter(|maximum| number > *maximum)) {
        (Some(minimum), _) => format!("is {value}; it must be at least {minimum}"),
        (_, Some(maximum)) => format!("is {value}; it must be at most {maximum}"),
        (None, None) => return None,
    };
    Some(misfit(pointer, problem))
}
