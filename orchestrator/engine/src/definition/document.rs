//! A document as a tree that remembers where each part stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{
    DuplicateKeyPolicy, Location, MessageFormatter, Options, Spanned, UserMessageFormatter, budget::BudgetBreach,
};

use super::{Problem, limits, sound};

/// Where a part of a document stands; zero where the document has no text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) content: Content,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the document's order; a repeated key stands here twice.
    Map(Vec<Entry>),
}

/// A key of a mapping and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: Position,
    pub(super) value: Node,
}

impl Node {
    /// Reads YAML, of which JSON is a part.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > limits::DOCUMENT_BYTES {
            let message =
                format!("the document has {} bytes; at most {} are allowed", text.len(), limits::DOCUMENT_BYTES);
            return Err(problem(Position { line: 1, column: 1 }, message));
        }
        let spanned: Spanned<Content> = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
            let at = error.location().map_or(Position { line: 1, column: 1 }, position);
            problem(at, explain(error.without_snippet()))
        })?;
        Ok(spanned.into())
    }

    /// Takes a value that has no text.
    pub(super) fn of(value: &Value) -> Self {
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(*value),
            Value::Number(number) => {
                let float = if number.is_f64() { number.as_f64() } else { None };
                Content::Number(float.and_then(whole).unwrap_or_else(|| number.clone()))
            }
            Value::String(text) => Content::Text(text.clone()),
            Value::Array(values) => Content::List(values.iter().map(Self::of).collect()),
            Value::Object(entries) => Content::Map(
                entries
                    .iter()
                    .map(|(key, value)| Entry { key: key.clone(), key_at: Position::default(), value: Self::of(value) })
                    .collect(),
            ),
        };
        Self { at: Position::default(), content }
    }

    /// The value without places. Of a repeated key the last one counts.
    pub(super) fn to_value(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(nodes) => nodes.iter().map(Self::to_value).collect(),
            Content::Map(entries) => {
                let map: Map<_, _> = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value())).collect();
                Value::Object(map)
            }
        }
    }

    /// What a person calls the kind of value.
    pub(super) const fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Bool(_) => "true or false",
            Content::Number(_) => "a number",
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }
}

impl From<Spanned<Content>> for Node {
    fn from(spanned: Spanned<Content>) -> Self {
        Self { at: position(spanned.referenced), content: spanned.value }
    }
}

fn position(location: Location) -> Position {
    Position { line: location.line(), column: location.column() }
}

fn problem(at: Position, message: String) -> Problem {
    Problem { line: at.line, column: at.column, path: String::new(), message }
}

fn explain(error: &serde_saphyr::Error) -> String {
    match error {
        serde_saphyr::Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            "there is a second document (`---`); write one definition per file".into()
        }
        serde_saphyr::Error::Budget { .. } => sound::too_large(),
        other => {
            let message = UserMessageFormatter.format_message(other).into_owned();
            // Below an alias, the same refusal comes as text alone.
            if message.contains("limits breached") { sound::too_large() } else { message }
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: limits::DOCUMENT_NODES,
            max_events: 4 * limits::DOCUMENT_NODES,
            max_depth: limits::DOCUMENT_DEPTH,
            max_total_scalar_bytes: limits::TEXT_BYTES,
            flow_nesting_limit: limits::DOCUMENT_DEPTH,
            max_documents: 1,
        },
        // Repeated keys are reported with all other problems, each with its path.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // `no` and `on` are words.
        strict_booleans: true,
        with_snippet: false,
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        whole(value)
            .or_else(|| Number::from_f64(value))
            .map(Content::Number)
            .ok_or_else(|| E::custom(format!("{value} is no number that JSON has")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Content, E> {
        Ok(Content::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element::<Spanned<Content>>()? {
            nodes.push(node.into());
        }
        Ok(Content::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = map.next_value::<Spanned<Content>>()?.into();
            entries.push(Entry { key: key.value, key_at: position(key.referenced), value });
        }
        Ok(Content::Map(entries))
    }
}

/// A float that is a whole number, as that number: the database writes `1e2` as `100`, and the hash must not care.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked, and a whole number in it converts exactly")]
fn whole(value: f64) -> Option<Number> {
    const LIMIT: f64 = 9.0e18;
    (value.fract() == 0.0 && value.abs() < LIMIT).then(|| Number::from(value as i64))
}
