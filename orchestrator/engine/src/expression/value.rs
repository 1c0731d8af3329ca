//! Values during an evaluation. JSON of the scope is borrowed where it stands.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc};

use serde_json::{Number, Value};

use super::{error::shorten, limits};

/// A value during an evaluation. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    /// From the smallest `i64` to the largest `u64`.
    Int(i128),
    Double(f64),
    Text(&'a str),
    Owned(Rc<str>),
    /// A list or an object of the scope; never a scalar.
    Json(&'a Value),
    List(Rc<Vec<Val<'a>>>),
    Map(Rc<BTreeMap<Cow<'a, str>, Val<'a>>>),
}

/// A list, wherever it stands.
pub(super) enum ListView<'a> {
    Json(&'a [Value]),
    Vals(Rc<Vec<Val<'a>>>),
}

/// A number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Num {
    Int(i128),
    Double(f64),
}

impl<'a> Val<'a> {
    /// Borrows JSON.
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::number(number),
            Value::String(text) => Self::Text(text),
            Value::Array(_) | Value::Object(_) => Self::Json(value),
        }
    }

    fn number(number: &Number) -> Self {
        number.as_i128().map_or_else(|| Self::Double(number.as_f64().unwrap_or(f64::NAN)), Self::Int)
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Owned(text) => Some(text),
            _ => None,
        }
    }

    pub(super) const fn as_num(&self) -> Option<Num> {
        match self {
            Self::Int(value) => Some(Num::Int(*value)),
            Self::Double(value) => Some(Num::Double(*value)),
            _ => None,
        }
    }

    pub(super) fn as_list(&self) -> Option<ListView<'a>> {
        match self {
            Self::Json(Value::Array(values)) => Some(ListView::Json(values)),
            Self::List(values) => Some(ListView::Vals(Rc::clone(values))),
            _ => None,
        }
    }

    /// The keys of an object, at most so many.
    pub(super) fn keys(&self, most: usize) -> Option<Vec<Val<'a>>> {
        match self {
            Self::Json(Value::Object(entries)) => Some(entries.keys().take(most).map(|key| Val::Text(key)).collect()),
            Self::Map(entries) => Some(entries.keys().take(most).map(cow_text).collect()),
            _ => None,
        }
    }

    /// How many keys an object has.
    pub(super) fn key_count(&self) -> Option<usize> {
        match self {
            Self::Json(Value::Object(entries)) => Some(entries.len()),
            Self::Map(entries) => Some(entries.len()),
            _ => None,
        }
    }

    /// How many items an `$items` object stands for.
    pub(super) fn items_count(&self) -> Option<u64> {
        let Self::Json(Value::Object(entries)) = self else { return None };
        if entries.len() != 1 {
            return None;
        }
        entries.get("$items")?.get("count")?.as_u64()
    }

    /// The value of a key of an object; `None` when there is no such key or this is no object.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        match self {
            Self::Json(Value::Object(entries)) => entries.get(name).map(Val::of),
            Self::Map(entries) => entries.get(name).cloned(),
            _ => None,
        }
    }

    pub(super) const fn is_map(&self) -> bool {
        matches!(self, Self::Json(Value::Object(_)) | Self::Map(_))
    }

    /// What a person calls the kind of value.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an int",
            Self::Double(_) => "a double",
            Self::Text(_) | Self::Owned(_) => "a text",
            Self::Json(Value::Array(_)) | Self::List(_) => "a list",
            Self::Json(_) | Self::Map(_) => "an object",
        }
    }

    /// The kind and, for scalars, the value, short enough for an error.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => format!("the bool {value}"),
            Self::Int(value) => format!("the int {value}"),
            Self::Double(value) => format!("the double {value}"),
            Self::Text(_) | Self::Owned(_) => format!("the text {:?}", shorten(self.as_text().unwrap_or_default(), 40)),
            _ => self.kind().to_owned(),
        }
    }
}

fn cow_text<'a>(text: &Cow<'a, str>) -> Val<'a> {
    match text {
        Cow::Borrowed(text) => Val::Text(text),
        Cow::Owned(text) => Val::Owned(text.as_str().into()),
    }
}

impl<'a> ListView<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(values) => values.len(),
            Self::Vals(values) => values.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Self::Json(values) => values.get(index).map(Val::of),
            Self::Vals(values) => values.get(index).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Val<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

/// Turns values into JSON and counts what it becomes.
pub(super) struct Output {
    bytes_left: usize,
}

impl Output {
    pub(super) const fn new() -> Self {
        Self { bytes_left: limits::OUTPUT_BYTES }
    }

    /// Counts bytes that were written elsewhere.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(|| {
            format!(
                "the result is larger than {} bytes; hand over a reference to the data instead",
                limits::OUTPUT_BYTES
            )
        })?;
        Ok(())
    }

    pub(super) fn json(&mut self, val: &Val<'_>) -> Result<Value, String> {
        self.json_at(val, 0)
    }

    fn json_at(&mut self, val: &Val<'_>, depth: usize) -> Result<Value, String> {
        if depth > limits::OUTPUT_DEPTH {
            return Err(format!("the result is nested deeper than {} levels", limits::OUTPUT_DEPTH));
        }
        self.charge(2)?;
        Ok(match val {
            Val::Null => Value::Null,
            Val::Bool(value) => Value::Bool(*value),
            Val::Int(value) => {
                Value::Number(Number::from_i128(*value).ok_or_else(|| format!("{value} is too large for JSON"))?)
            }
            Val::Double(value) => Value::Number(
                Number::from_f64(*value).ok_or_else(|| format!("the result is {value}, which JSON cannot hold"))?,
            ),
            Val::Text(text) => self.text(text)?,
            Val::Owned(text) => self.text(text)?,
            Val::Json(Value::Array(values)) => {
                values.iter().map(|value| self.json_at(&Val::of(value), depth + 1)).collect::<Result<_, _>>()?
            }
            Val::List(values) => values.iter().map(|value| self.json_at(value, depth + 1)).collect::<Result<_, _>>()?,
            Val::Json(Value::Object(entries)) => Value::Object(
                entries.iter().map(|(key, value)| self.entry(key, &Val::of(value), depth)).collect::<Result<_, _>>()?,
            ),
            Val::Map(entries) => Value::Object(
                entries.iter().map(|(key, value)| self.entry(key, value, depth)).collect::<Result<_, _>>()?,
            ),
            // Scalars are never kept as JSON; were one, its copy would be right.
            Val::Json(value) => (*value).clone(),
        })
    }

    fn entry(&mut self, key: &str, val: &Val<'_>, depth: usize) -> Result<(String, Value), String> {
        self.charge(key.len() + 3)?;
        Ok((key.to_owned(), self.json_at(val, depth + 1)?))
    }

    fn text(&mut self, text: &str) -> Result<Value, String> {
        self.charge(text.len())?;
        Ok(Value::String(text.to_owned()))
    }
}
