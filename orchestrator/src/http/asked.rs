//! What a request asks for, before anybody has read it.

use std::net::IpAddr;

use axum::{
    extract::{MatchedPath, Request},
    http::{Method, header},
};
use serde_json::{Map, Value};

use super::routes::Rights;
use crate::access::{Action, Caller, Role};

/// What a query may say that belongs to the audit. Nothing else of it is kept: people put secrets into addresses.
const TELLING: [&str; 4] = ["now", "from", "reason", "source"];

/// Where a request came from, as far as this server sees it: a proxy, if there is one that is not trusted to say for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A request, in short.
pub(super) struct Asked {
    /// None: no handler is registered for it.
    pub(super) action: Option<Action>,
    pub(super) method: Method,
    pub(super) from: Option<IpAddr>,
    /// By which name this server was called.
    pub(super) host: Option<String>,
    /// Path and query.
    pub(super) address: String,
    /// Whether it is a page that is asked for, rather than the API.
    pub(super) for_people: bool,
    /// What of the path is meant by its pattern: a job, a name.
    pub(super) target: Option<String>,
    /// What the query says that the audit keeps.
    pub(super) detail: Option<Value>,
}

impl Asked {
    pub(super) fn of(rights: &Rights, request: &Request) -> Self {
        let uri = request.uri();
        let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        Self {
            // Where nothing is, reading finds that out.
            action: matched.map_or(Some(Action::Read), |pattern| rights.of(request.method(), pattern)),
            method: request.method().clone(),
            from: request.extensions().get::<Peer>().map(|peer| peer.0),
            host: host(request),
            for_people: matched.is_some_and(is_page) || !matched.is_some_and(is_for_one) && takes_pages(request),
            address: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            target: matched.and_then(|pattern| target(pattern, uri.path())),
            detail: detail(uri.query().unwrap_or_default()),
        }
    }

    /// Whether it only reads.
    pub(super) fn is_safe(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    /// Whether the caller may. What no handler is registered for nobody needs.
    pub(super) fn is_allowed(&self, caller: &Caller) -> bool {
        self.action.map_or(caller.role == Some(Role::Admin), |action| caller.may(action))
    }

    /// The least role that may.
    pub(super) fn role(&self) -> Option<Role> {
        self.action.map_or(Some(Role::Admin), Action::role)
    }
}

/// Whether only persons ask at this address.
fn is_page(pattern: &str) -> bool {
    is_for_one(pattern) && !["/api/", "/metrics", "/healthz/"].iter().any(|programs| pattern.starts_with(programs))
}

/// Whether an address is for persons or for programs. A file is for both.
fn is_for_one(pattern: &str) -> bool {
    !pattern.starts_with("/files/")
}

/// Whether a person asks, at an address that is not for one of both alone.
pub(super) fn takes_pages(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepts.is_some_and(|kinds| kinds.contains("text/html"))
}

/// What a request line names whole goes before the header.
fn host(request: &Request) -> Option<String> {
    let said = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
    request.uri().authority().map(|authority| authority.as_str()).or(said).map(str::to_owned)
}

/// What stands in a path where its pattern has a name.
fn target(pattern: &str, path: &str) -> Option<String> {
    let mut parts = pattern.split('/').zip(path.split('/'));
    parts.find(|(name, _)| name.starts_with('{')).map(|(_, text)| text.to_owned())
}

fn detail(query: &str) -> Option<Value> {
    let told = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| TELLING.contains(&name.as_ref()));
    let told: Map<String, Value> = told.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect();
    (!told.is_empty()).then_some(Value::Object(told))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_target_is_what_the_path_names() {
        assert_eq!(target("/api/v1/jobs/{id}/cancel", "/api/v1/jobs/a-b/cancel").as_deref(), Some("a-b"));
        assert_eq!(target("/api/v1/jobs", "/api/v1/jobs"), None);
    }

    #[test]
    fn nothing_of_a_query_is_kept_but_what_is_known_to_be_harmless() {
        assert_eq!(detail("now=true&token=drover_secret"), Some(json!({ "now": "true" })));
        assert_eq!(detail("token=drover_secret"), None);
    }
}
