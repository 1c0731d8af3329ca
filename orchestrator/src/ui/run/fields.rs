//! The fields of a form, found in a JSON Schema.

use serde_json::{Map, Value};

/// How deep references are followed; a schema may refer to itself.
const DEPTH: usize = 8;

/// One parameter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// Its name in the parameters; empty for the parameters as a whole.
    pub(super) name: String,
    /// What people call it.
    pub(super) title: String,
    /// What it means.
    pub(super) description: Option<String>,
    /// Whether it must be given.
    pub(super) required: bool,
    /// What it is when it is not given.
    pub(super) default: Option<Value>,
    /// How it is asked for.
    pub(super) kind: Kind,
}

/// How a parameter is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A line of text.
    Text { pattern: Option<String>, most: Option<u64> },
    /// A number.
    Number { whole: bool, least: Option<f64>, most: Option<f64> },
    /// Yes or no.
    Flag,
    /// One of these.
    Choice(Vec<Value>),
    /// A text a line.
    Lines,
    /// Anything else, as JSON.
    Json,
}

/// The fields of the parameters. A schema that names none is asked for as a whole.
pub(super) fn of(schema: &Value) -> Vec<Field> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().filter(|properties| !properties.is_empty());
    let Some(properties) = properties else { return vec![whole()] };
    let mut fields: Vec<Field> =
        properties.iter().map(|(name, own)| field(name, own, schema, required.contains(&name.as_str()))).collect();
    // What must be given comes first; a schema's own order is lost on the way through the database.
    fields.sort_by_key(|field| !field.required);
    fields
}

fn whole() -> Field {
    let description = Some("A JSON object.".into());
    let default = Some(Value::Object(Map::new()));
    Field { name: String::new(), title: "Parameters".into(), description, required: false, default, kind: Kind::Json }
}

fn field(name: &str, own: &Value, root: &Value, required: bool) -> Field {
    let target = resolved(own, root, DEPTH);
    let text = |key: &str| own[key].as_str().or_else(|| target[key].as_str()).map(str::to_owned);
    Field {
        name: name.to_owned(),
        title: text("title").unwrap_or_else(|| words(name)),
        description: text("description"),
        required,
        default: own.get("default").or_else(|| target.get("default")).filter(|value| !value.is_null()).cloned(),
        kind: kind(target, root),
    }
}

/// `max_errors` as people write it.
fn words(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What a schema refers to, and of "this or null" this.
fn resolved<'a>(own: &'a Value, root: &'a Value, depth: usize) -> &'a Value {
    if depth == 0 {
        return own;
    }
    if let Some(pointer) = own["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
        return root.pointer(pointer).map_or(own, |target| resolved(target, root, depth - 1));
    }
    let choices = own["anyOf"].as_array().or_else(|| own["oneOf"].as_array());
    let mut others = choices.into_iter().flatten().filter(|choice| choice["type"] != "null");
    match (others.next(), others.next()) {
        (Some(only), None) => resolved(only, root, depth - 1),
        _ => own,
    }
}

fn kind(schema: &Value, root: &Value) -> Kind {
    if let Some(values) = schema["enum"].as_array().filter(|values| values.len() <= 200) {
        return Kind::Choice(values.iter().filter(|value| !value.is_null()).cloned().collect());
    }
    match type_of(schema) {
        Some("string") => Kind::Text {
            pattern: schema["pattern"].as_str().and_then(whole_pattern),
            most: schema["maxLength"].as_u64(),
        },
        Some(name @ ("integer" | "number")) => Kind::Number {
            whole: name == "integer",
            least: schema["minimum"].as_f64(),
            most: schema["maximum"].as_f64(),
        },
        Some("boolean") => Kind::Flag,
        Some("array") if type_of(resolved(&schema["items"], root, DEPTH)) == Some("string") => Kind::Lines,
        _ => Kind::Json,
    }
}

/// Browsers match the whole of a text; a schema's pattern only where it says so.
fn whole_pattern(pattern: &str) -> Option<String> {
    pattern.strip_prefix('^')?.strip_suffix('$').filter(|inner| !inner.contains('|')).map(str::to_owned)
}

/// The type, where it is one, or one or null.
fn type_of(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            let mut others = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            others.next().filter(|_| others.next().is_none())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind_of(own: &Value) -> Kind {
        let schema =
            json!({ "properties": { "a": own }, "$defs": { "Level": { "enum": ["low", "high"], "title": "Level" } } });
        of(&schema).remove(0).kind
    }

    #[test]
    fn each_type_is_asked_for_in_its_own_way() {
        assert_eq!(
            kind_of(&json!({ "type": "string", "pattern": "^/.*$", "maxLength": 9 })),
            Kind::Text { pattern: Some("/.*".into()), most: Some(9) }
        );
        assert_eq!(
            kind_of(&json!({ "type": "string", "pattern": "^a$|^b$" })),
            Kind::Text { pattern: None, most: None }
        );
        assert_eq!(
            kind_of(&json!({ "type": ["integer", "null"], "minimum": 1 })),
            Kind::Number { whole: true, least: Some(1.0), most: None }
        );
        assert_eq!(kind_of(&json!({ "type": "boolean" })), Kind::Flag);
        assert_eq!(kind_of(&json!({ "type": "array", "items": { "type": "string" } })), Kind::Lines);
        assert_eq!(kind_of(&json!({ "type": "array", "items": { "type": "object" } })), Kind::Json);
        assert_eq!(kind_of(&json!({ "type": ["string", "integer"] })), Kind::Json);
        assert_eq!(kind_of(&json!(true)), Kind::Json);
    }

    #[test]
    fn references_and_options_lead_to_what_is_meant() {
        let choice = Kind::Choice(vec!["low".into(), "high".into()]);
        assert_eq!(kind_of(&json!({ "$ref": "#/$defs/Level" })), choice);
        assert_eq!(kind_of(&json!({ "anyOf": [{ "$ref": "#/$defs/Level" }, { "type": "null" }] })), choice);
        assert_eq!(kind_of(&json!({ "$ref": "#/properties/a" })), Kind::Json, "it refers to itself");
        assert_eq!(kind_of(&json!({ "$ref": "#/nowhere" })), Kind::Json);
    }

    #[test]
    fn what_must_be_given_comes_first_and_names_are_words() {
        let schema =
            json!({ "required": ["z_last"], "properties": { "a": { "title": "First", "default": 3 }, "z_last": {} } });
        let fields = of(&schema);
        assert_eq!((fields[0].title.as_str(), fields[0].required), ("Z last", true));
        assert_eq!((fields[1].title.as_str(), &fields[1].default), ("First", &Some(json!(3))));
        for bare in [json!(null), json!({}), json!({ "type": "object", "properties": {} })] {
            assert_eq!(of(&bare), [whole()]);
        }
    }
}
