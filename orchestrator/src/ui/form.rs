//! Forms: what a browser sends, and the way back.

use axum::{
    extract::{FromRequest, Request},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Failure, page::Note};
use crate::{
    access::caller,
    http::{
        Problem, Shared,
        body::{self, Kind},
    },
};

/// What somebody unknown may send: a token, and where to go on.
const STRANGERS_BYTES: usize = 16 * 1024;

/// The fields of a form, in its order.
#[derive(Debug, Default)]
pub(super) struct Form {
    pairs: Vec<(String, String)>,
}

impl FromRequest<Shared> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Failure> {
        let (head, body) = request.into_parts();
        let is_stranger = shared.app.door.asks() && caller().account.is_none();
        // Every character may be written as three.
        let limit = if is_stranger { STRANGERS_BYTES } else { shared.app.message_bytes.saturating_mul(3) };
        let body = body::read(&head.headers, body, Kind::Form, limit).await?;
        let pairs: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
        if let Some((name, _)) = pairs.iter().find(|(_, value)| value.contains('\0')) {
            return Err(Problem::bad_request(format!("{name}: it holds a NUL character; remove it")).into());
        }
        Ok(Self { pairs })
    }
}

impl Form {
    /// What was given for a field; empty counts as absent.
    pub(super) fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// All that was given for a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The page that the form was on, with a word of what was done; `otherwise` where the form does not say.
    pub(super) fn back(&self, otherwise: &str, note: Note) -> Response {
        let back = self.text("back").filter(|path| is_local(path)).unwrap_or(otherwise);
        away(back, Some(note))
    }
}

/// Goes on at another page.
pub(super) fn away(path: &str, note: Option<Note>) -> Response {
    let location = match note {
        Some(note) => format!("{path}{}note={}", if path.contains('?') { '&' } else { '?' }, note.name()),
        None => path.to_owned(),
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// A path of ours, and no way to another site.
pub(super) fn is_local(path: &str) -> bool {
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    plain && path.starts_with('/') && !path.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_never_to_another_site() {
        for good in ["/", "/jobs", "/jobs?status=failed&type=a"] {
            assert!(is_local(good), "{good}");
        }
        for bad in ["", "jobs", "//evil.example", "/\\evil.example", "http://evil.example", "/a\r\nb: c", "/a b"] {
            assert!(!is_local(bad), "{bad:?}");
        }
    }
}
