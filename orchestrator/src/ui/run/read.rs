//! From what a browser sends to parameters. Whether they fit is for the schema to say.

use std::collections::BTreeMap;

use drover_engine::definition::FieldError;
use serde_json::{Map, Number, Value};

use super::{
    super::form::Form,
    draw::plain,
    fields::{Field, Kind},
};

/// The field of the labels.
pub(super) const LABELS: &str = "labels";

/// What a parameter is called in the form: apart from the form's own fields.
pub(super) fn control(name: &str) -> String {
    format!("p.{name}")
}

/// The parameters. What is left empty is left out.
pub(super) fn params(fields: &[Field], form: &Form) -> Result<Value, Vec<FieldError>> {
    let (mut params, mut errors) = (Map::new(), Vec::new());
    for field in fields {
        match value(field, form.text(&control(&field.name))) {
            Ok(Some(Value::Object(whole))) if field.name.is_empty() => params = whole,
            Ok(Some(_)) if field.name.is_empty() => errors.push(wrong(field, "it must be a JSON object, in braces")),
            Ok(Some(value)) => drop(params.insert(field.name.clone(), value)),
            Ok(None) => {}
            Err(message) => errors.push(wrong(field, &message)),
        }
    }
    if errors.is_empty() { Ok(Value::Object(params)) } else { Err(errors) }
}

fn wrong(field: &Field, message: &str) -> FieldError {
    let escaped = field.name.replace('~', "~0").replace('/', "~1");
    let pointer = if escaped.is_empty() { String::new() } else { format!("/{escaped}") };
    FieldError { pointer, message: message.to_owned() }
}

fn value(field: &Field, text: Option<&str>) -> Result<Option<Value>, String> {
    let Some(text) = text else {
        // A box that is not ticked is sent as nothing, and means no.
        return Ok((field.kind == Kind::Flag).then_some(Value::Bool(false)));
    };
    Ok(Some(match &field.kind {
        Kind::Text { .. } => text.into(),
        Kind::Flag => Value::Bool(text == "true"),
        Kind::Number { .. } => number(text.trim()).ok_or_else(|| format!("{text:?} is no number"))?,
        Kind::Choice(values) => {
            values.iter().find(|value| plain(value) == text).cloned().unwrap_or_else(|| text.into())
        }
        Kind::Lines => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Value::from).collect(),
        Kind::Json => serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?,
    }))
}

/// A whole number stays one.
fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number)
}

/// The labels: `KEY: VALUE`, one on each line.
pub(super) fn labels(form: &Form) -> Result<BTreeMap<String, String>, Vec<FieldError>> {
    let mut labels = BTreeMap::new();
    for line in form.text(LABELS).unwrap_or_default().lines().filter(|line| !line.trim().is_empty()) {
        let Some((key, value)) = line.split_once(':') else {
            let message = format!("Labels: {:?} is no KEY: VALUE", line.chars().take(80).collect::<String>());
            return Err(vec![FieldError { pointer: String::new(), message }]);
        };
        labels.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: Kind, text: Option<&str>) -> Result<Option<Value>, String> {
        let field =
            Field { name: "a".into(), title: "A".into(), description: None, required: false, default: None, kind };
        value(&field, text)
    }

    #[test]
    fn texts_become_what_the_schema_asks_for() {
        let whole = || Kind::Number { whole: true, least: None, most: None };
        assert_eq!(read(whole(), Some(" 20 ")), Ok(Some(json!(20))));
        assert_eq!(read(whole(), Some("0.5")), Ok(Some(json!(0.5))), "the schema says that it does not fit");
        assert!(read(whole(), Some("many")).is_err_and(|message| message.contains("\"many\" is no number")));
        assert_eq!(read(Kind::Flag, None), Ok(Some(json!(false))));
        assert_eq!(read(Kind::Flag, Some("true")), Ok(Some(json!(true))));
        assert_eq!(read(Kind::Lines, Some("a\r\n\r\n b ")), Ok(Some(json!(["a", "b"]))));
        assert_eq!(read(Kind::Choice(vec![json!(1), json!("x")]), Some("1")), Ok(Some(json!(1))));
        assert_eq!(read(Kind::Json, Some("{\"a\": [1]}")), Ok(Some(json!({ "a": [1] }))));
        assert!(read(Kind::Json, Some("{a}")).is_err_and(|message| message.contains("it is no JSON")));
        assert_eq!(read(Kind::Text { pattern: None, most: None }, None), Ok(None));
    }
}
