//! Query parameters, strictly: an unknown or a bad one is an error that names it, never passed over.

use std::{fmt::Display, str::FromStr};

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use drover_protocol::JobId;

use super::Problem;

/// The parameters of a request.
pub(crate) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
        Ok(Self(pairs))
    }
}

impl Parameters {
    /// Refuses parameters that are not among these.
    pub(crate) fn only(&self, known: &[&str]) -> Result<&Self, Problem> {
        for (name, _) in &self.0 {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let name: String = name.chars().take(80).collect();
                return Err(Problem::bad_request(format!("unknown query parameter {name:?}; known: {known}")).field(name));
            }
        }
        Ok(self)
    }

    /// The values of a parameter that may be repeated.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter; empty counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).filter(|v| !v.is_empty())
    }

    /// The value of a parameter, read.
    pub(crate) fn read<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let read = |text: &str| {
            text.parse().map_err(|error| {
                let text: String = text.chars().take(80).collect();
                Problem::bad_request(format!("query parameter {name}: {text:?}: {error}")).field(name)
            })
        };
        self.text(name).map(read).transpose()
    }

    /// The values of a parameter whose parts are separated by commas, each read.
    pub(crate) fn list<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<Vec<T>>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let read = |part: &str| {
            part.trim().parse().map_err(|error| {
                Problem::bad_request(format!("query parameter {name}: {error}")).field(name)
            })
        };
        text.split(',').map(read).collect::<Result<Vec<T>, _>>().map(Some)
    }

    /// How many entries a page has.
    pub(crate) fn limit(&self, usual: i64, most: i64) -> Result<i64, Problem> {
        let limit = self.read::<i64>("limit")?.unwrap_or(usual);
        if !(1..=most).contains(&limit) {
            return Err(Problem::bad_request(format!("query parameter limit: {limit} is not from 1 to {most}")).field("limit"));
        }
        Ok(limit)
    }

    /// Where a page begins: what `next_cursor` of the page before said.
    pub(crate) fn cursor<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let Some(text) = self.text("cursor") else { return Ok(None) };
        match read(text) {
            Some(cursor) => Ok(Some(cursor)),
            None => {
                let detail = "query parameter cursor: it is not one of ours; pass on next_cursor as it came";
                Err(Problem::bad_request(detail).field("cursor"))
            }
        }
    }
}

/// The job of the path.
pub(crate) struct Id(pub(crate) JobId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(segments) = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await?;
        let text = segments.iter().find(|(name, _)| name == "id").map_or("", |(_, id)| id.as_str());
        let id = text.parse().map_err(|_| {
            let text: String = text.chars().take(80).collect();
            Problem::bad_request(format!("{text:?} is no job id; an id is a UUID, written in full")).field("id")
        })?;
        Ok(Self(id))
    }
}

/// A page and where the next begins: there is one when this one is full.
pub(crate) fn next<K>(page: &[(K, serde_json::Value)], limit: i64, write: impl Fn(&K) -> String) -> Option<String> {
    let full = i64::try_from(page.len()).is_ok_and(|length| length >= limit);
    page.last().filter(|_| full).map(|(key, _)| write(key))
}
