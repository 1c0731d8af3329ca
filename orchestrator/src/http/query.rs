//! Query parameters, strictly: an unknown or a bad one is an error that names it, never passed over. What a body says in place of
//! a query is read by the same rules.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use chrono::{DateTime, Datelike, Utc};
use drover_protocol::JobStatus;
use serde_json::{Map, Value};

use super::{Problem, cursor::Cursor};

/// The parameter that may be given more than once.
const REPEATED: &str = "label";
/// Longest excerpt of what was given, in characters.
const SHOWN_CHARS: usize = 80;

/// What a field of a body is; in a query all are texts. A new field that is no text has to be named here: the fuzzer of the API
/// notices where that does not fit its description.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    Flag,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "after" | "dispatch" | "limit" | "older_than_seconds" | "requests_per_minute" => Self::Number,
            "all" | "approved" | "dry_run" | "now" | "paused" => Self::Flag,
            _ => Self::Text,
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Flag => "true or false",
        }
    }
}

/// The parameters of a request.
#[derive(Debug)]
pub(crate) struct Parameters {
    /// Where they stand: nothing for the query, else the JSON pointer of the object in the body.
    object: Option<&'static str>,
    pairs: Vec<(String, String)>,
    /// Fields of a body that are of another kind than they must be.
    misfits: Vec<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
        Ok(Self { object: None, pairs, misfits: Vec::new() })
    }
}

impl Parameters {
    /// The fields of an object of the body, `at` being its JSON pointer. A list of texts is what a query says with commas, or
    /// by repeating a parameter that may be repeated; null counts as absent.
    pub(crate) fn of_object(at: &'static str, fields: Map<String, Value>) -> Result<Self, Problem> {
        let mut found = Self { object: Some(at), pairs: Vec::with_capacity(fields.len()), misfits: Vec::new() };
        for (name, value) in fields {
            let kind = Kind::of(&name);
            match value {
                Value::Null => continue,
                Value::Array(entries) if kind == Kind::Text && entries.iter().all(Value::is_string) => {
                    let texts = entries.iter().filter_map(Value::as_str);
                    match name.as_str() {
                        REPEATED => found.pairs.extend(texts.map(|text| (name.clone(), text.to_owned()))),
                        _ => found.pairs.push((name, texts.collect::<Vec<_>>().join(","))),
                    }
                    continue;
                }
                Value::Array(_) | Value::Object(_) => {
                    return Err(found.unfit(&name, &value.to_string(), kind.expected()));
                }
                Value::String(_) if kind == Kind::Text => {}
                Value::Number(_) if kind == Kind::Number => {}
                Value::Bool(_) if kind == Kind::Flag => {}
                Value::String(_) | Value::Number(_) | Value::Bool(_) => found.misfits.push(name.clone()),
            }
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            found.pairs.push((name, text));
        }
        Ok(found)
    }

    /// Refuses parameters that are not among these, and those that are given twice and cannot be.
    pub(crate) fn only(&self, known: &[&str]) -> Result<&Self, Problem> {
        for (index, (name, value)) in self.pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let name = shown(name);
                let what = if self.object.is_some() { "field" } else { "query parameter" };
                let detail = format!("unknown {what} {name:?}; known here: {known}");
                return Err(Problem::bad_request(detail).field(self.field(&name)));
            }
            if self.misfits.contains(name) {
                return Err(self.unfit(name, value, Kind::of(name).expected()));
            }
            if value.contains('\0') {
                return Err(self.refused(name, "it holds a NUL character; remove it"));
            }
            if name != REPEATED && self.pairs.iter().take(index).any(|(earlier, _)| earlier == name) {
                return Err(self.refused(name, "it is given twice"));
            }
        }
        Ok(self)
    }

    /// What was given, as the audit keeps it.
    pub(crate) fn given(&self) -> Value {
        let mut given = Map::new();
        for (name, value) in &self.pairs {
            let texts = given.entry(name.as_str()).or_insert_with(|| Value::Array(Vec::new()));
            texts.as_array_mut().into_iter().for_each(|texts| texts.push(value.as_str().into()));
        }
        Value::Object(given)
    }

    /// The values of a parameter that may be repeated.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter; empty counts as absent in a query, as a form sends it.
    pub(crate) fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).find(|value| self.object.is_some() || !value.is_empty())
    }

    /// The value of a parameter, read. `expected` completes "it must be …".
    pub(crate) fn read<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Problem> {
        let read = |text: &str| text.parse().map_err(|_| self.unfit(name, text, expected));
        self.text(name).map(read).transpose()
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.read(name, "true or false")
    }

    /// A time that every database can keep.
    pub(crate) fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let expected = "a time by RFC 3339, for example 2026-01-31T12:00:00Z (a plus sign is written %2B)";
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) if (1970..=9999).contains(&time.year()) => Ok(Some(time.to_utc())),
            Ok(_) => Err(self.unfit(name, text, "in a year from 1970 to 9999")),
            Err(_) => Err(self.unfit(name, text, expected)),
        }
    }

    /// Statuses, separated by commas.
    pub(crate) fn statuses(&self) -> Result<Option<Vec<String>>, Problem> {
        let Some(text) = self.text("status") else { return Ok(None) };
        let read = |part: &str| match part.trim().parse::<JobStatus>() {
            Ok(status) => Ok(status.to_string()),
            Err(error) => Err(self.refused("status", &error.to_string())),
        };
        text.split(',').map(read).collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// How many entries a page has.
    pub(crate) fn limit(&self, usual: i64, most: i64) -> Result<i64, Problem> {
        self.number("limit", 1, most).map(|limit| limit.unwrap_or(usual))
    }

    /// The id after which a page begins: what `next_after` of the page before said.
    pub(crate) fn after(&self) -> Result<i64, Problem> {
        self.number("after", 0, i64::MAX).map(|after| after.unwrap_or(0))
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, Problem> {
        let expected = format!("a whole number from {least} to {most}");
        match self.read::<i64>(name, &expected)? {
            Some(number) if !(least..=most).contains(&number) => Err(self.unfit(name, &number.to_string(), &expected)),
            other => Ok(other),
        }
    }

    /// Where a page begins: what `next_cursor` of the page before said.
    pub(crate) fn cursor<C: Cursor>(&self) -> Result<Option<C>, Problem> {
        let Some(text) = self.text("cursor") else { return Ok(None) };
        let words = "it is no cursor of this list; pass on next_cursor as it came, or leave it out";
        C::decode(text).map(Some).ok_or_else(|| self.refused("cursor", words))
    }

    /// A parameter that cannot be taken.
    pub(crate) fn refused(&self, name: &str, problem: &str) -> Problem {
        let field = self.field(name);
        let detail = match self.object {
            None => format!("query parameter {name}: {problem}"),
            Some(_) => format!("{field}: {problem}"),
        };
        Problem::bad_request(detail).field(field)
    }

    /// A value that is not what the parameter takes.
    pub(crate) fn unfit(&self, name: &str, text: &str, expected: &str) -> Problem {
        self.refused(name, &format!("it is {:?}; it must be {expected}", shown(text)))
    }

    /// What errors name: the query parameter, or the JSON pointer into the body.
    fn field(&self, name: &str) -> String {
        self.object.map_or_else(|| name.to_owned(), |at| format!("{at}/{name}"))
    }
}

/// What errors quote of what was given.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Parameters {
        let pairs = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Parameters { object: None, pairs, misfits: Vec::new() }
    }

    fn detail<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
        result.unwrap_err().detail().to_owned()
    }

    #[test]
    fn an_unknown_parameter_names_itself_and_the_known_ones() {
        let parameters = given(&[("limit", "5"), ("stauts", "failed")]);
        let text = detail(parameters.only(&["limit", "status"]));
        assert_eq!(text, "unknown query parameter \"stauts\"; known here: limit, status");
        assert_eq!(detail(parameters.only(&[])), "unknown query parameter \"limit\"; known here: none");
        assert!(given(&[]).only(&[]).is_ok());
    }

    #[test]
    fn only_a_label_may_be_given_twice() {
        let parameters = given(&[("label", "a:1"), ("limit", "1"), ("label", "b:2")]);
        assert_eq!(parameters.only(&["label", "limit"]).unwrap().all("label").collect::<Vec<_>>(), ["a:1", "b:2"]);
        let twice = given(&[("limit", "1"), ("limit", "2")]);
        assert_eq!(detail(twice.only(&["limit"])), "query parameter limit: it is given twice");
    }

    #[test]
    fn a_nul_never_reaches_the_database() {
        assert_eq!(
            detail(given(&[("step", "a\0b")]).only(&["step"])),
            "query parameter step: it holds a NUL character; remove it"
        );
    }

    #[test]
    fn a_limit_has_its_range() {
        let limit = |text: &str| given(&[("limit", text)]).limit(50, 500);
        assert_eq!((limit("").unwrap(), limit("1").unwrap(), limit("500").unwrap()), (50, 1, 500));
        for bad in ["0", "501", "-1", "x", "1.5", "99999999999999999999"] {
            let text = detail(limit(bad));
            assert!(text.contains(bad) && text.contains("a whole number from 1 to 500"), "{text}");
        }
    }

    #[test]
    fn a_time_is_one_that_can_be_kept() {
        let time = |text: &str| given(&[("created_after", text)]).time("created_after");
        assert_eq!(time("2026-01-31T13:00:00+01:00").unwrap(), time("2026-01-31T12:00:00Z").unwrap());
        assert!(detail(time("2026-01-31T13:00:00 01:00")).contains("%2B"));
        assert!(detail(time("yesterday")).contains("RFC 3339"));
        assert!(detail(time("1969-12-31T00:00:00Z")).contains("from 1970 to 9999"));
    }

    #[test]
    fn statuses_are_separated_by_commas() {
        let statuses = |text: &str| given(&[("status", text)]).statuses();
        assert_eq!(statuses("failed,running").unwrap(), Some(vec!["failed".into(), "running".into()]));
        assert_eq!(statuses("").unwrap(), None);
        assert!(detail(statuses("failed,done")).contains("unknown status \"done\"; known: pending, running"));
    }

    #[test]
    fn the_fields_of_a_body_are_read_by_the_same_rules() {
        let object = |value: Value| Parameters::of_object("/filter", value.as_object().unwrap().clone());
        let fields = object(json!({ "status": ["failed", "running"], "limit": 7, "now": true, "type": null })).unwrap();
        assert_eq!(fields.statuses().unwrap(), Some(vec!["failed".into(), "running".into()]));
        assert_eq!((fields.limit(50, 500).unwrap(), fields.flag("now").unwrap()), (7, Some(true)));
        assert_eq!(fields.text("type"), None);
        let labels = object(json!({ "label": ["a:1,2", "b:2"] })).unwrap();
        assert_eq!(labels.all("label").collect::<Vec<_>>(), ["a:1,2", "b:2"]);
        let unknown = fields.only(&["status"]).unwrap_err();
        assert_eq!(unknown.detail(), "unknown field \"limit\"; known here: status");
        assert_eq!(
            detail(object(json!({ "limit": "x" })).unwrap().limit(50, 500)).split(':').next(),
            Some("/filter/limit")
        );
        assert_eq!(
            detail(object(json!({ "type": { "a": 1 } }))),
            "/filter/type: it is \"{\\\"a\\\":1}\"; it must be a text"
        );
        for (name, bad, kind) in
            [("limit", json!("7"), "a number"), ("now", json!("true"), "true or false"), ("type", json!(5), "a text")]
        {
            let fields = object(json!({ name: bad })).unwrap();
            assert!(detail(fields.only(&[name])).ends_with(kind), "{name}");
            assert!(detail(fields.only(&[])).starts_with("unknown field"), "{name}");
        }
        assert!(detail(object(json!({ "created_after": "" })).unwrap().time("created_after")).contains("RFC 3339"));
    }

    #[test]
    fn a_flag_and_a_cursor_are_read_strictly() {
        assert_eq!(given(&[("now", "true")]).flag("now").unwrap(), Some(true));
        assert_eq!(
            detail(given(&[("now", "1")]).flag("now")),
            "query parameter now: it is \"1\"; it must be true or false"
        );
        let cursor = given(&[("cursor", "42")]).cursor::<i64>();
        assert!(detail(cursor).contains("pass on next_cursor as it came"));
        assert_eq!(given(&[("cursor", &42_i64.encode())]).cursor::<i64>().unwrap(), Some(42));
    }
}
