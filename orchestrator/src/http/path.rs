//! Parts of the path: one that is no good is an error that names it.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use drover_protocol::{JobId, WorkerSession};
use uuid::Uuid;

use super::{Problem, query::shown};

/// The job of the path.
pub(crate) struct Id(pub(crate) JobId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        uuid(parts, state, "id", "no job id; an id").await.map(Self)
    }
}

/// The worker of the path.
pub(crate) struct Session(pub(crate) WorkerSession);

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        uuid(parts, state, "session", "no worker's session; a session").await.map(Self)
    }
}

/// The token in the path.
pub(crate) struct TokenId(pub(crate) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for TokenId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        uuid(parts, state, "id", "no id of a token; an id").await.map(Self)
    }
}

/// The name in the path.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name = segment(parts, state, "name").await?;
        if name.contains('\0') {
            return Err(Problem::bad_request("the name in the path holds a NUL character").field("name"));
        }
        Ok(Self(name))
    }
}

/// The number in the path.
pub(crate) struct Number(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = segment(parts, state, "id").await?;
        let id = text.parse().map_err(|_| {
            Problem::bad_request(format!("{:?} is no id; ids here are whole numbers", shown(&text))).field("id")
        })?;
        Ok(Self(id))
    }
}

/// A part that is a UUID. `what`: what it is not, and what such a thing is called.
async fn uuid<S: Send + Sync, T: FromStr>(
    parts: &mut Parts,
    state: &S,
    name: &'static str,
    what: &str,
) -> Result<T, Problem> {
    let text = segment(parts, state, name).await?;
    text.parse().map_err(|_| {
        let detail = format!("{:?} is {what} is a UUID, written in full", shown(&text));
        Problem::bad_request(detail).field(name)
    })
}

async fn segment<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Result<String, Problem> {
    let Path(segments) = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await?;
    Ok(segments.into_iter().find(|(found, _)| found == name).map(|(_, text)| text).unwrap_or_default())
}
