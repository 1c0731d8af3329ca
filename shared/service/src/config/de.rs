//! From the merged tree to a typed struct.
//!
//! The crate's own deserializer turns `1.7` into the integer 2 and says neither key nor file of an unknown key. This one
//! turns texts, which is what the environment has, into numbers where a number is due, and nothing else.

use std::{fmt::Display, str::FromStr};

use config::{Value, ValueKind};
use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, Visitor,
        value::{MapDeserializer, SeqDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{
    ConfigError,
    layer::{self, join},
};

/// Reads the whole tree. `shown` says what is shown in place of a key's value, for secrets.
pub(super) fn deserialize<T: DeserializeOwned>(
    root: &Value,
    shown: &dyn Fn(&str) -> Option<String>,
) -> Result<T, ConfigError> {
    T::deserialize(Node { value: root, path: String::new() }).map_err(|error| error.into_config_error(root, shown))
}

/// A value as it would be written in the file.
pub(super) fn show(value: &Value) -> String {
    match &value.kind {
        ValueKind::Nil => "(nothing)".into(),
        ValueKind::Boolean(value) => value.to_string(),
        ValueKind::I64(value) => value.to_string(),
        ValueKind::I128(value) => value.to_string(),
        ValueKind::U64(value) => value.to_string(),
        ValueKind::U128(value) => value.to_string(),
        ValueKind::Float(value) => format!("{value:?}"),
        ValueKind::String(value) => format!("{value:?}"),
        ValueKind::Table(_) => "(a section)".into(),
        ValueKind::Array(values) => format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", ")),
    }
}

#[derive(Debug)]
pub(super) struct Error {
    problem: Problem,
    /// Set by the innermost value that failed.
    path: Option<String>,
}

#[derive(Debug)]
enum Problem {
    Unknown { name: String, known: String },
    Missing { name: String },
    Bad { text: String },
}

impl Error {
    fn at(self, path: &str) -> Self {
        Self { path: self.path.or_else(|| Some(path.to_owned())), ..self }
    }

    fn into_config_error(self, root: &Value, shown: &dyn Fn(&str) -> Option<String>) -> ConfigError {
        let path = self.path.unwrap_or_default();
        match self.problem {
            Problem::Unknown { name, known } => {
                let key = join(&path, &name);
                let source_name = source_name(root, &key);
                ConfigError::UnknownKey { key, source_name, known }
            }
            Problem::Missing { name } => {
                let key = join(&path, &name);
                ConfigError::Missing { variable: layer::variable(&key), key }
            }
            Problem::Bad { text } => {
                let value = super::find(root, &path).map_or_else(|| "(not set)".to_owned(), show);
                let secret = shown(&path);
                // A text about a secret may quote it.
                let problem = if secret.is_some() { "is not of the right type".to_owned() } else { text };
                let source_name = source_name(root, &path);
                ConfigError::Value { value: secret.unwrap_or(value), source_name, problem, key: path }
            }
        }
    }
}

/// Where a key was set.
pub(super) fn source_name(root: &Value, key: &str) -> String {
    super::find(root, key).and_then(origin).unwrap_or(layer::DEFAULTS).to_owned()
}

/// A section may be put together from several layers: its first key that has an origin speaks for it.
fn origin(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Table(table) => {
            let mut keys: Vec<&String> = table.keys().collect();
            keys.sort_unstable();
            keys.into_iter().find_map(|key| origin(table.get(key)?))
        }
        _ => value.origin(),
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.problem)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: Display>(text: T) -> Self {
        Self { problem: Problem::Bad { text: text.to_string() }, path: None }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut known = expected.to_vec();
        known.sort_unstable();
        Self { problem: Problem::Unknown { name: field.to_owned(), known: known.join(", ") }, path: None }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { problem: Problem::Missing { name: field.to_owned() }, path: None }
    }
}

/// A value and the path it stands at.
struct Node<'v> {
    value: &'v Value,
    path: String,
}

impl Node<'_> {
    fn number<N: FromStr>(&self, text: &str, what: &str) -> Result<N, Error> {
        text.trim().parse().map_err(|_| <Error as de::Error>::custom(format!("expected {what}")).at(&self.path))
    }

    /// The items of an array, or of a text with commas, which is how the environment writes a list.
    fn items(&self) -> Option<Vec<Value>> {
        match &self.value.kind {
            ValueKind::Array(items) => Some(items.clone()),
            ValueKind::String(text) => {
                let origin = self.value.origin().map(str::to_owned);
                let item = |text: &str| Value::new(origin.as_ref(), ValueKind::String(text.to_owned()));
                Some(text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(item).collect())
            }
            _ => None,
        }
    }
}

macro_rules! whole_number {
    ($($method:ident $visit:ident $number:ty),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match &self.value.kind {
                ValueKind::String(text) => {
                    let number: $number = self.number(text, "a whole number")?;
                    visitor.$visit(number).map_err(|error: Error| error.at(&self.path))
                }
                _ => self.deserialize_any(visitor),
            }
        })+
    };
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let path = self.path.clone();
        let visited = match &self.value.kind {
            ValueKind::Nil => visitor.visit_unit(),
            ValueKind::Boolean(value) => visitor.visit_bool(*value),
            ValueKind::I64(value) => visitor.visit_i64(*value),
            ValueKind::I128(value) => visitor.visit_i128(*value),
            ValueKind::U64(value) => visitor.visit_u64(*value),
            ValueKind::U128(value) => visitor.visit_u128(*value),
            ValueKind::Float(value) => visitor.visit_f64(*value),
            ValueKind::String(value) => visitor.visit_str(value),
            ValueKind::Array(_) => return self.deserialize_seq(visitor),
            ValueKind::Table(_) => return self.deserialize_map(visitor),
        };
        visited.map_err(|error: Error| error.at(&path))
    }

    whole_number! {
        deserialize_i8 visit_i64 i64, deserialize_i16 visit_i64 i64, deserialize_i32 visit_i64 i64,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u64 u64, deserialize_u16 visit_u64 u64,
        deserialize_u32 visit_u64 u64, deserialize_u64 visit_u64 u64,
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value.kind {
            ValueKind::String(text) => {
                let number: f64 = self.number(text, "a number")?;
                visitor.visit_f64(number).map_err(|error: Error| error.at(&self.path))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value.kind {
            ValueKind::String(text) => {
                let value: bool = self.number(text, "true or false")?;
                visitor.visit_bool(value).map_err(|error: Error| error.at(&self.path))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value.kind {
            ValueKind::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(items) = self.items() else { return self.deserialize_any(visitor) };
        let nodes = items.iter().map(|value| Node { value, path: self.path.clone() });
        visitor.visit_seq(SeqDeserializer::new(nodes)).map_err(|error: Error| error.at(&self.path))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let ValueKind::Table(table) = &self.value.kind else { return self.deserialize_any(visitor) };
        // Sorted, so that of several mistakes the same one is named each time.
        let mut keys: Vec<&String> = table.keys().collect();
        keys.sort_unstable();
        let entries = keys.into_iter().filter_map(|key| table.get_key_value(key));
        let fields = Fields { entries, current: None, path: &self.path };
        visitor.visit_map(fields).map_err(|error: Error| error.at(&self.path))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !matches!(self.value.kind, ValueKind::Table(_)) {
            return Err(<Error as de::Error>::custom("expected a section with keys of its own").at(&self.path));
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let expected =
            || <Error as de::Error>::custom(format!("expected one of {}", variants.join(", "))).at(&self.path);
        match &self.value.kind {
            ValueKind::String(name) if variants.contains(&name.as_str()) => {
                let name: StringDeserializer<Error> = name.clone().into_deserializer();
                visitor.visit_enum(name).map_err(|error: Error| error.at(&self.path))
            }
            ValueKind::Table(table) if table.len() == 1 => {
                let entries =
                    table.iter().map(|(name, value)| (name.clone(), Node { value, path: join(&self.path, name) }));
                let access = de::value::MapAccessDeserializer::new(MapDeserializer::new(entries));
                visitor.visit_enum(access).map_err(|error: Error| error.at(&self.path))
            }
            _ => Err(expected()),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Node<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Fields<'v, I> {
    entries: I,
    current: Option<(&'v String, &'v Value)>,
    path: &'v str,
}

impl<'de, 'v, I: Iterator<Item = (&'v String, &'v Value)>> MapAccess<'de> for Fields<'v, I> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else { return Ok(None) };
        let name: StringDeserializer<Error> = key.clone().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| error.at(self.path))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some((key, value)) = self.current.take() else { return Err(de::Error::custom("a value without a key")) };
        seed.deserialize(Node { value, path: join(self.path, key) })
    }
}
