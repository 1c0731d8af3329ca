//! The optional JSON Schema that every row must satisfy.

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::text::quotable;

/// A compiled schema. It sees a row as it is written: typed by the typing rules, without `_source`.
#[derive(Debug)]
pub struct RowSchema(Validator);

/// The schema itself is wrong.
#[derive(Debug, thiserror::Error)]
#[error("schema: not a usable JSON Schema: {0}; give the schema of one row, without references to other documents")]
pub struct SchemaError(String);

impl RowSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn new(schema: &Map<String, Value>) -> Result<Self, SchemaError> {
        jsonschema::validator_for(&Value::Object(schema.clone()))
            .map(Self)
            .map_err(|error| SchemaError(quotable(&error.to_string(), 500)))
    }

    /// What is wrong with a row, given as JSON; `None` if nothing is.
    #[must_use]
    pub fn complaint(&self, row: &[u8]) -> Option<String> {
        let row: Value = match serde_json::from_slice(row) {
            Ok(row) => row,
            Err(error) => return Some(format!("not valid JSON: {error}")),
        };
        let mut errors = self.0.iter_errors(&row);
        let first = errors.next()?;
        let path = first.instance_path().to_string();
        let place = if path.is_empty() { "the row".to_owned() } else { quotable(&path, 100) };
        let others = errors.count() as u64;
        let more = if others == 0 { String::new() } else { format!(" (and {others} more)") };
        Some(format!("breaks the schema at {place}: {}{more}", quotable(&first.to_string(), 250)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(value: Value) -> Result<RowSchema, SchemaError> {
        RowSchema::new(value.as_object().unwrap())
    }

    #[test]
    fn a_complaint_names_the_place_and_the_number_of_others() {
        let schema =
            schema(json!({"required": ["id"], "properties": {"id": {"type": "integer", "minimum": 1}}})).unwrap();
        assert_eq!(schema.complaint(br#"{"id":1}"#), None);
        let complaint = schema.complaint(br#"{"id":"x"}"#).unwrap();
        assert!(complaint.starts_with("breaks the schema at /id: "), "{complaint}");
        assert!(schema.complaint(b"{}").unwrap().contains("at the row"));
    }

    #[test]
    fn a_broken_schema_is_refused_by_the_fields_name() {
        let message = schema(json!({"type": "nonsense"})).unwrap_err().to_string();
        assert!(message.starts_with("schema: "), "{message}");
    }
}
