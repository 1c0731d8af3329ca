//! The schema of a workflow's parameters.

use std::{fmt, sync::Arc};

use jsonschema::{Draft, PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};

use super::{
    document::Content,
    report::{Field, Report},
};
use crate::expression::{shorten, suggest};

/// Most memory of one compiled `pattern`, in bytes.
const PATTERN_BYTES: usize = 1024 * 1024;
/// Most errors that are listed for one set of parameters.
const ERRORS: usize = 20;
/// How deep defaults are looked for; schemas may refer to themselves.
const DEFAULTS_DEPTH: usize = 16;
/// Most places at which defaults are looked for in one set of parameters; a message of a mebibyte has fewer values.
const DEFAULTS_PLACES: usize = 1_000_000;

/// A compiled JSON Schema (draft 2020-12). It refers to nothing outside itself.
#[derive(Clone)]
pub struct InputSchema {
    schema: Arc<Value>,
    validator: Arc<Validator>,
}

/// One parameter that does not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer of the parameter; empty for the parameters as a whole.
    pub pointer: String,
    /// The value, shortened, and what was expected.
    pub message: String,
}

impl InputSchema {
    /// The schema as it was given.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// The parameters it names, when it allows no others.
    pub(super) fn closed_properties(&self) -> Option<Vec<&str>> {
        let open = ["patternProperties", "$ref", "allOf", "anyOf", "oneOf", "if"];
        let is_closed = self.schema.get("additionalProperties") == Some(&Value::Bool(false))
            && open.iter().all(|keyword| self.schema.get(keyword).is_none());
        let properties = self.schema.get("properties")?.as_object()?;
        is_closed.then(|| properties.keys().map(String::as_str).collect())
    }

    /// Compiles the schema of a definition.
    pub(super) fn read(field: &Field<'_>, report: &mut Report) -> Option<Self> {
        if !matches!(field.node.content, Content::Map(_)) {
            field.add(report, format!("must be a JSON Schema, written as a mapping; it is {}", field.node.kind()));
            return None;
        }
        let schema = field.node.to_value();
        let before = report.len();
        for error in jsonschema::draft202012::meta::validator().iter_errors(&schema) {
            let place = field.at_pointer(error.instance_path().as_str());
            let message = if place.path.ends_with(".type") {
                "not a valid JSON Schema: `type` is one of string, integer, number, boolean, object, array, null".into()
            } else {
                format!("not a valid JSON Schema: {}", describe(&error))
            };
            place.add(report, message);
        }
        refuse_remote(&schema, String::new(), &mut |pointer, target| {
            let message = format!(
                "$ref to {:?} is refused: a schema refers only to itself (\"#/$defs/…\"); copy the other one in",
                shorten(target, 80)
            );
            field.at_pointer(pointer).add(report, message);
        });
        if report.len() > before {
            return None;
        }
        let built = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
            .offline()
            .build(&schema);
        match built {
            Ok(validator) => Some(Self { schema: Arc::new(schema), validator: Arc::new(validator) }),
            Err(error) => {
                let place = field.at_pointer(error.instance_path().as_str());
                place.add(report, format!("not a usable JSON Schema: {}", describe(&error)));
                None
            }
        }
    }

    /// Fills in the schema's defaults and checks the outcome.
    pub(super) fn validate(&self, mut params: Value) -> Result<Value, Vec<FieldError>> {
        let mut defaults = Defaults { root: &self.schema, left: DEFAULTS_PLACES };
        defaults.fill(&self.schema, &mut params, 0);
        if defaults.left == 0 {
            let message = format!("too many values to fill in defaults (more than {DEFAULTS_PLACES} places)");
            return Err(vec![FieldError { pointer: String::new(), message }]);
        }
        let mut errors: Vec<FieldError> =
            self.validator.iter_errors(&params).flat_map(|e| self.field_errors(&e)).collect();
        if errors.is_empty() {
            return Ok(params);
        }
        if errors.len() > ERRORS {
            let more = errors.len() - ERRORS;
            errors.truncate(ERRORS);
            errors.push(FieldError { pointer: String::new(), message: format!("and {more} more errors") });
        }
        Err(errors)
    }

    /// One error of the schema crate names one place; missing and unknown keys become errors of the keys themselves.
    fn field_errors(&self, error: &ValidationError<'_>) -> Vec<FieldError> {
        let pointer = error.instance_path().as_str();
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                vec![FieldError { pointer: child(pointer, name), message: "is missing; it is required".into() }]
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let properties = if pointer.is_empty() { self.schema.get("properties") } else { None };
                let known: Vec<&str> = properties
                    .and_then(Value::as_object)
                    .into_iter()
                    .flat_map(|map| map.keys().map(String::as_str))
                    .collect();
                let message = |name: &str| match known.as_slice() {
                    [] => "is not known here; remove it".to_owned(),
                    known => format!("is not known here: {}", suggest::known(name, known)),
                };
                let errors = unexpected.iter().take(ERRORS);
                errors.map(|name| FieldError { pointer: child(pointer, name), message: message(name) }).collect()
            }
            _ => vec![FieldError { pointer: pointer.to_owned(), message: describe(error) }],
        }
    }
}

fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", shorten(name, 80).replace('~', "~0").replace('/', "~1"))
}

/// The error's text with the value cut short.
fn describe(error: &ValidationError<'_>) -> String {
    let value = shorten(&error.instance().to_string(), 60);
    shorten(&error.masked_with(value).to_string(), 400)
}

/// Shows every `$ref` and `$dynamicRef` that leads out of the schema, with its pointer.
fn refuse_remote(schema: &Value, pointer: String, refuse: &mut impl FnMut(&str, &str)) {
    match schema {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Value::String(target) if key.ends_with("Ref") || key == "$ref" => {
                        if key.starts_with('$') && !target.starts_with('#') {
                            refuse(&child(&pointer, key), target);
                        }
                    }
                    // Data, not schemas.
                    _ if ["default", "const", "enum", "examples"].contains(&key.as_str()) => {}
                    _ => refuse_remote(value, child(&pointer, key), refuse),
                }
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                refuse_remote(value, format!("{pointer}/{index}"), refuse);
            }
        }
        _ => {}
    }
}

/// Fills in `default`s of missing properties, also inside objects and lists that are there.
struct Defaults<'s> {
    root: &'s Value,
    /// Places that may still be looked at: schemas may refer to themselves many times over.
    left: usize,
}

impl Defaults<'_> {
    fn fill(&mut self, schema: &Value, value: &mut Value, depth: usize) {
        let Some(schema) = schema.as_object() else { return };
        if depth >= DEFAULTS_DEPTH || self.left == 0 {
            return;
        }
        self.left -= 1;
        if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'))
            && let Some(referred) = self.root.pointer(target)
        {
            self.fill(referred, value, depth + 1);
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.fill(part, value, depth + 1);
        }
        match value {
            Value::Object(entries) => self.fill_object(schema, entries, depth),
            Value::Array(elements) => {
                if let Some(items) = schema.get("items") {
                    elements.iter_mut().for_each(|element| self.fill(items, element, depth + 1));
                }
            }
            _ => {}
        }
    }

    fn fill_object(&mut self, schema: &Map<String, Value>, entries: &mut Map<String, Value>, depth: usize) {
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if !entries.contains_key(name)
                && let Some(default) = property.get("default")
            {
                entries.insert(name.clone(), default.clone());
            }
            if let Some(value) = entries.get_mut(name) {
                self.fill(property, value, depth + 1);
            }
        }
    }
}

impl fmt::Debug for InputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InputSchema").field(&self.schema).finish()
    }
}

impl PartialEq for InputSchema {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}
