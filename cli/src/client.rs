//! The HTTP API, called.

use std::{error::Error as _, time::Duration};

use drover_protocol::JobId;
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{self, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    api::{Answer, Problem, Readiness},
    failure::Failure,
};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take, event streams excepted.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an event stream may be silent: three of the server's keep-alive intervals.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(45);
/// Longest excerpt of an answer that is not the API's, in characters.
const SHOWN_CHARS: usize = 200;

/// Query parameters.
pub(crate) type Query<'a> = [(&'a str, String)];

/// A client of one orchestrator.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    /// A client for the server at `url`, which is shown this token with every request; nothing is sent yet.
    pub(crate) fn new(url: &str, token: Option<&SecretString>) -> Result<Self, Failure> {
        let usage = |reason: String| {
            Failure::Usage(format!("--url {url:?} is no address: {reason}; it looks like http://127.0.0.1:8420"))
        };
        let base = Url::parse(url.trim_end_matches('/')).map_err(|error| usage(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(usage(format!("{:?} is neither http nor https", base.scheme())));
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("drover/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT);
        if is_loopback(&base) {
            // A proxy could not reach this machine's own addresses.
            http = http.no_proxy();
        }
        if let Some(token) = token {
            http = http.default_headers([(header::AUTHORIZATION, authorization(token)?)].into_iter().collect());
        }
        let http = http.build().map_err(|error| Failure::Usage(format!("no HTTP client can be made: {error}")))?;
        Ok(Self { http, base })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/api/v1{path}", self.base.as_str().trim_end_matches('/'));
        self.http.request(method, url)
    }

    /// Asks for something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: &Query<'_>) -> Result<Answer<T>, Failure> {
        self.answer(self.request(Method::GET, path).query(query)).await
    }

    /// Asks for a job.
    pub(crate) async fn job<T: DeserializeOwned>(&self, id: JobId) -> Result<Answer<T>, Failure> {
        self.get(&format!("/jobs/{id}"), &[]).await
    }

    /// Asks for something to be done.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, query: &Query<'_>) -> Result<Answer<T>, Failure> {
        self.answer(self.request(Method::POST, path).query(query)).await
    }

    /// Asks for something to be done, and says more about it.
    pub(crate) async fn post_json<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<Answer<T>, Failure> {
        self.answer(self.request(Method::POST, path).json(body)).await
    }

    /// Submits a job; a repeat with the same key makes no second one.
    pub(crate) async fn submit<T: DeserializeOwned>(&self, body: &Value, key: &str) -> Result<Answer<T>, Failure> {
        self.answer(self.request(Method::POST, "/jobs").header("Idempotency-Key", key).json(body)).await
    }

    /// Asks for a job to be made; a repeat with the same key makes no second one.
    pub(crate) async fn post_once<T: DeserializeOwned>(&self, path: &str, key: &str) -> Result<Answer<T>, Failure> {
        self.answer(self.request(Method::POST, path).header("Idempotency-Key", key)).await
    }

    /// Puts a text.
    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query<'_>,
        content_type: &'static str,
        text: String,
    ) -> Result<Answer<T>, Failure> {
        let request = self.request(Method::PUT, path).query(query).header(header::CONTENT_TYPE, content_type);
        self.answer(request.body(text)).await
    }

    /// Deletes something.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, path).timeout(ANSWER_TIMEOUT)).await.map(drop)
    }

    /// The event stream of a job.
    pub(crate) async fn events(&self, id: JobId) -> Result<Response, Failure> {
        let request = self.request(Method::GET, &format!("/jobs/{id}/events"));
        self.send(request.header(header::ACCEPT, "text/event-stream")).await
    }

    /// Whether the server can work now. It says so with 200 or 503, and in both cases which part is away.
    pub(crate) async fn ready(&self) -> Result<Answer<Readiness>, Failure> {
        let url = format!("{}/healthz/ready", self.base.as_str().trim_end_matches('/'));
        let sent = self.http.get(&url).timeout(ANSWER_TIMEOUT).send().await;
        let response = sent.map_err(|error| self.broken(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.broken(&error))?;
        let answer = serde_json::from_slice(&body).and_then(Answer::read).ok();
        let fits = |answer: &Answer<Readiness>| status.is_success() == answer.body.is_ready();
        let reason = format!("{status} {:?}", excerpt(&body));
        answer.filter(fits).ok_or(Failure::NotTheApi { url, reason })
    }

    /// What went wrong on the way, told from the server's address.
    pub(crate) fn broken(&self, error: &reqwest::Error) -> Failure {
        let url = self.base.as_str().trim_end_matches('/').to_owned();
        let reason = innermost(error);
        if error.is_connect() { Failure::Connect { url, reason } } else { Failure::Broken { url, reason } }
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Answer<T>, Failure> {
        let response = self.send(request.timeout(ANSWER_TIMEOUT)).await?;
        let url = response.url().to_string();
        let body = response.bytes().await.map_err(|error| self.broken(&error))?;
        let not_the_api = |reason: String| Failure::NotTheApi { url, reason };
        match serde_json::from_slice::<Value>(&body) {
            Ok(raw) => Answer::read(raw).map_err(|error| not_the_api(error.to_string())),
            Err(_) => Err(not_the_api(format!("no JSON but {:?}", excerpt(&body)))),
        }
    }

    /// Sends, and turns an answer that is no success into a failure.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.broken(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let url = response.url().to_string();
        let retry_after =
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.bytes().await.map_err(|error| self.broken(&error))?;
        Err(refusal(status, url, retry_after, &body))
    }
}

/// The header that shows a token. No log and no error has its value.
fn authorization(token: &SecretString) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
    let mut value = value.map_err(|_| Failure::Usage("the token holds characters that no token has".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn refusal(status: StatusCode, url: String, retry_after_seconds: Option<u64>, body: &[u8]) -> Failure {
    let problem = Answer::<Problem>::read(serde_json::from_slice(body).unwrap_or_default())
        .ok()
        .filter(|answer| answer.body.kind.is_some() || !answer.body.title.is_empty());
    let Some(Answer { body: problem, raw }) = problem else {
        let reason = format!("{status} {:?}", excerpt(body));
        // What stands before the server says so while that one is away.
        let is_away =
            [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status);
        return if is_away { Failure::Broken { url, reason } } else { Failure::NotTheApi { url, reason } };
    };
    let problem = Box::new(Problem { status: status.as_u16(), raw, retry_after_seconds, ..problem });
    // Who asks too often may again in a while.
    let later = status == StatusCode::TOO_MANY_REQUESTS || !status.is_client_error();
    if later { Failure::Unavailable(problem) } else { Failure::Refused(problem) }
}

fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(SHOWN_CHARS).collect()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The last cause: the outer ones only repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause = error.source();
    let mut text = error.to_string();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_refused() {
        for bad in ["localhost:8420", "127.0.0.1", "ftp://host", ""] {
            let error = Client::new(bad, None).unwrap_err().to_string();
            assert!(error.contains("http://127.0.0.1:8420") && error.contains(bad), "{error}");
        }
    }

    #[test]
    fn a_path_in_the_address_is_kept() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new("http://h/drover/", None).unwrap();
        let request = client.request(Method::GET, "/jobs").build().unwrap();
        assert_eq!(request.url().as_str(), "http://h/drover/api/v1/jobs");
    }

    #[test]
    fn loopback_is_known() {
        for (url, expected) in [("http://127.0.0.1:1", true), ("http://[::1]:1", true), ("http://example.org", false)] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
