//! Request bodies: the right kind, not too large, not too slow.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::Map;

use super::{Problem, Shared, query::Parameters};

/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(20);
/// How much of a body that is over its limit is read and thrown away, so that the client reads our answer instead of
/// finding the connection reset while it still writes.
const DISCARD_BYTES: usize = 32 * 1024 * 1024;

/// What a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    /// JSON is YAML, too.
    Yaml,
    /// What a browser sends of a form.
    Form,
}

impl Kind {
    const fn types(self) -> &'static [&'static str] {
        match self {
            Self::Json => &["application/json"],
            Self::Yaml => &["application/yaml", "application/x-yaml", "text/yaml", "application/json"],
            Self::Form => &["application/x-www-form-urlencoded"],
        }
    }

    fn takes(self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.types().contains(&essence.as_str()) || self != Self::Form && essence.ends_with("+json")
    }
}

/// Reads a body. Without a `Content-Type` it is taken for what it should be.
pub(crate) async fn read(headers: &HeaderMap, body: Body, kind: Kind, limit_bytes: usize) -> Result<Bytes, Problem> {
    if let Some(value) = headers.get(header::CONTENT_TYPE) {
        let shown: String = String::from_utf8_lossy(value.as_bytes()).chars().take(80).collect();
        if !kind.takes(&shown) {
            let detail = format!("the body is said to be {shown:?}; send it as {}", kind.types().join(" or "));
            return Err(Problem::unsupported_media_type(detail).field("Content-Type"));
        }
    }
    match tokio::time::timeout(ARRIVAL, collect(body, limit_bytes)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::slow_body(format!("the body did not arrive within {} seconds", ARRIVAL.as_secs()))),
    }
}

/// The fields of a body that is a JSON object; it may be left out.
pub(crate) async fn fields(shared: &Shared, request: Request) -> Result<Parameters, Problem> {
    let (head, body) = request.into_parts();
    let body = read(&head.headers, body, Kind::Json, shared.app.message_bytes).await?;
    let fields = if body.is_empty() { Ok(Map::new()) } else { serde_json::from_slice(&body) };
    let fields = fields.map_err(|error| Problem::bad_request(format!("the body is no JSON object: {error}")))?;
    Parameters::of_object("", fields)
}

async fn collect(body: Body, limit_bytes: usize) -> Result<Bytes, Problem> {
    let mut chunks = body.into_data_stream();
    let (mut kept, mut size_bytes) = (BytesMut::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Problem::bad_request(format!("the body cannot be read: {error}")))?;
        size_bytes += chunk.len();
        if size_bytes <= limit_bytes {
            kept.extend_from_slice(&chunk);
        } else if size_bytes > limit_bytes.saturating_add(DISCARD_BYTES) {
            break;
        }
    }
    if size_bytes > limit_bytes {
        return Err(Problem::too_large(format!("the body has more than {limit_bytes} bytes, which is the limit")));
    }
    Ok(kept.freeze())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn the_kind_is_read_from_the_header() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"] {
            assert!(Kind::Json.takes(good) && Kind::Yaml.takes(good), "{good}");
        }
        for yaml in ["application/yaml", "text/yaml;charset=utf-8", "application/x-yaml"] {
            assert!(Kind::Yaml.takes(yaml) && !Kind::Json.takes(yaml), "{yaml}");
        }
        assert!(Kind::Form.takes("application/x-www-form-urlencoded") && !Kind::Form.takes("application/vnd.api+json"));
        for bad in ["", "text/plain", "application/x-www-form-urlencoded", "json", "application/jsonx"] {
            assert!(!Kind::Json.takes(bad) && !Kind::Yaml.takes(bad), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_body_at_its_limit_is_read_and_one_above_is_refused() {
        let headers = HeaderMap::new();
        let read = |bytes: usize| read(&headers, Body::from(vec![b'x'; bytes]), Kind::Json, 10);
        assert_eq!(read(10).await.unwrap().len(), 10);
        assert_eq!(read(11).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn an_endless_body_is_not_read_for_ever() {
        let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 65_536])));
        let refused = read(&HeaderMap::new(), Body::from_stream(endless), Kind::Json, 10).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let silent = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let refused = read(&HeaderMap::new(), Body::from_stream(silent), Kind::Json, 10).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
