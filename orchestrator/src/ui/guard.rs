//! What browsers are told and asked, for pages and API alike.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::http::Problem;

/// Nothing from elsewhere, nothing inline, nowhere to be framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Adds the security headers, and refuses what another site's page asks a browser to do here.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut response = if safe || is_from_here(request.headers()) {
        next.run(request).await
    } else {
        Problem::forbidden(
            "a page of another site asked for this; only pages of this address may. A program that is no browser leaves out \
             the headers Origin and Sec-Fetch-Site",
        )
        .into_response()
    };
    for (name, value) in HEADERS {
        // Files that are not ours have a stricter policy of their own.
        response.headers_mut().entry(name).or_insert(value);
    }
    // What is true now, and for this caller; assets say otherwise.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether anything says whose page asks.
pub(crate) fn says_whence(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN)
}

/// Browsers say whose page it is that asks; a program says nothing.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    // Older browsers name only the page's origin: scheme and host.
    let Some(origin) = text(header::ORIGIN) else { return true };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host == text(header::HOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_here(pairs: &[(&'static str, &'static str)]) -> bool {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_from_here(&pairs.collect())
    }

    #[test]
    fn only_pages_of_this_address_and_programs_may_act() {
        assert!(from_here(&[]), "a program");
        assert!(from_here(&[("sec-fetch-site", "same-origin")]));
        assert!(from_here(&[("sec-fetch-site", "none")]), "typed by a person");
        assert!(!from_here(&[("sec-fetch-site", "cross-site")]));
        assert!(!from_here(&[("sec-fetch-site", "same-site")]), "another port of this machine is another program");
        assert!(from_here(&[("origin", "http://127.0.0.1:8420"), ("host", "127.0.0.1:8420")]));
        assert!(!from_here(&[("origin", "http://evil.example"), ("host", "127.0.0.1:8420")]));
        assert!(!from_here(&[("origin", "null"), ("host", "127.0.0.1:8420")]));
        let both = [("sec-fetch-site", "cross-site"), ("origin", "http://h"), ("host", "h")];
        assert!(!from_here(&both), "what the browser itself says counts");
    }
}
