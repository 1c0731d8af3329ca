//! The cookie of a session.

use axum::http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};

use crate::access::SESSION;

const NAME: &str = "drover_session";

/// What the browser holds.
pub(crate) fn read(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Gives it to a browser: to be sent to this server alone, by its own pages alone, and to be read by no script.
pub(crate) fn give(secret: &SecretString, headers: &HeaderMap) -> Option<HeaderValue> {
    let lasts = SESSION.as_secs();
    header(&format!("{NAME}={}; Max-Age={lasts}{}", secret.expose_secret(), attributes(headers)))
}

/// Takes it back.
pub(crate) fn take_back(headers: &HeaderMap) -> Option<HeaderValue> {
    header(&format!("{NAME}=; Max-Age=0{}", attributes(headers)))
}

/// A browser that came by TLS must not send it without. It says so itself, with the origin of the form's page; no proxy has
/// to be trusted for it.
fn attributes(headers: &HeaderMap) -> &'static str {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    if origin.is_some_and(|origin| origin.starts_with("https://")) {
        "; Path=/; HttpOnly; SameSite=Strict; Secure"
    } else {
        "; Path=/; HttpOnly; SameSite=Strict"
    }
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let found = |line: &'static str| read(&headers(&[(header::COOKIE, line)])).map(str::to_owned);
        assert_eq!(found("a=1; drover_session=abc; b=2").as_deref(), Some("abc"));
        assert_eq!(found("drover_session=abc").as_deref(), Some("abc"));
        for none in ["", "a=1", "xdrover_session=abc", "drover_session", "drover_session="] {
            assert_eq!(found(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_browser_keeps_it_from_scripts_other_sites_and_plain_connections() {
        let secret = SecretString::from("abc");
        let given = |origin| {
            let value = give(&secret, &headers(&[(header::ORIGIN, origin)])).expect("a header");
            assert!(value.is_sensitive());
            value.to_str().expect("a text").to_owned()
        };
        let plain = given("http://127.0.0.1:8420");
        assert_eq!(plain, "drover_session=abc; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(given("https://drover.example"), format!("{plain}; Secure"));
    }
}
