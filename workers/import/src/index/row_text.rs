//! What is searched of a row: all its strings. And where the row came from.

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::rows::SOURCE_FIELD;

/// Where a row came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct RowSource {
    pub(super) file: String,
    pub(super) line: u64,
}

/// Reads a row: appends its strings to `body`, each followed by a line end, and gives where it came from.
pub(super) fn read_row(row: &str, body: &mut String) -> Result<RowSource, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(row);
    let source = Row { body }.deserialize(&mut parser)?;
    parser.end()?;
    source.ok_or_else(|| serde_json::Error::custom(format!("it has no field `{SOURCE_FIELD}`")))
}

struct Row<'b> {
    body: &'b mut String,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = Option<RowSource>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = Option<RowSource>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut source = None;
        while let Some(is_source) = map.next_key_seed(IsSourceName)? {
            if is_source {
                source = Some(map.next_value()?);
            } else {
                map.next_value_seed(Strings { body: self.body })?;
            }
        }
        Ok(source)
    }
}

/// Compares a name without keeping it.
struct IsSourceName;

impl<'de> DeserializeSeed<'de> for IsSourceName {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsSourceName {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == SOURCE_FIELD)
    }
}

/// Gathers the strings of any value.
struct Strings<'b> {
    body: &'b mut String,
}

impl<'de> DeserializeSeed<'de> for Strings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.body.push_str(text);
        self.body.push('\n');
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Strings { body: self.body })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Strings { body: self.body })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn all_strings_and_only_strings_are_searched() {
        let mut body = String::new();
        let row = r#"{"a":"x y","n":12,"deep":{"k":["z",null,true,{"q":"\u00e9"}]},"_source":{"file":"/f","line":7}}"#;
        let source = read_row(row, &mut body).unwrap();
        assert_eq!(body, "x y\nz\né\n");
        assert_eq!(source, RowSource { file: "/f".into(), line: 7 });
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for row in ["", "{}", r#"{"a":1}"#, r#"{"_source":{"file":"/f","line":7}} x"#, r#"{"_source":{"file":"/f""#] {
            assert!(read_row(row, &mut String::new()).is_err(), "{row:?}");
        }
    }
}
