//! Conditional reads: who has what is still true is told so in a few bytes, instead of being sent it again.

use axum::{
    body::{Body, HttpBody as _, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use super::Problem;

/// Kept by whoever asked, and asked about before it is used again; by no cache that others use.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");
/// Bytes of the hash that stand in a tag: two answers of one address are not taken for each other by chance.
const TAG_BYTES: usize = 16;

/// Gives every whole JSON answer to a `GET` a tag made of its content, and answers 304 to who has that content already. It spares
/// sending it, not finding it out: what is true is known only then.
pub(super) async fn conditional(request: Request, next: Next) -> Response {
    if *request.method() != Method::GET {
        return next.run(request).await;
    }
    let known = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
    let response = next.run(request).await;
    // A stream has no length before its end.
    let Some(length) = response.body().size_hint().exact().filter(|_| is_answer(&response)) else { return response };
    let (mut head, body) = response.into_parts();
    let body = match to_bytes(body, usize::try_from(length).unwrap_or(usize::MAX)).await {
        Ok(body) => body,
        Err(error) => return Problem::internal(error).into_response(),
    };
    let Ok(tag) = HeaderValue::from_str(&tag(&body)) else { return Response::from_parts(head, body.into()) };
    let is_known = known.iter().any(|known| names(known, &tag));
    head.headers.insert(header::ETAG, tag);
    head.headers.insert(header::CACHE_CONTROL, PRIVATE);
    if is_known {
        let mut response = (StatusCode::NOT_MODIFIED, Body::empty()).into_response();
        *response.headers_mut() = without_content(head.headers);
        return response;
    }
    Response::from_parts(head, body.into())
}

fn is_answer(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    response.status() == StatusCode::OK && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

fn tag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let hash: String = digest.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hash}\"")
}

/// Whether an `If-None-Match` names the tag: `*`, or a list in which tags may be weak (RFC 9110, 13.1.2). Ours hold no comma.
fn names(known: &HeaderValue, tag: &HeaderValue) -> bool {
    known.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|known| {
        let known = known.strip_prefix(b"W/").unwrap_or(known);
        known == b"*" || known == tag.as_bytes()
    })
}

fn without_content(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(header::CONTENT_TYPE);
    headers.remove(header::CONTENT_LENGTH);
    headers
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_named_alone_in_a_list_weakly_or_by_a_star() {
        let ours = tag(b"{}");
        let named =
            |known: String| names(&HeaderValue::from_str(&known).unwrap(), &HeaderValue::from_str(&ours).unwrap());
        assert!(named(ours.clone()) && named(format!("W/{ours}")) && named("*".into()));
        assert!(named(format!("\"other\" ,  {ours}")));
        assert!(!named("\"other\"".into()) && !named(ours.trim_matches('"').into()) && !named(String::new()));
        assert_ne!(tag(b"{}"), tag(b"[]"));
    }
}
