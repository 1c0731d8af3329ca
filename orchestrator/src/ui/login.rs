//! Logging in with a token, and out again.

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use super::{
    Failure,
    form::{Form, away, is_local},
    job::encoded,
    page::{Page, Tab},
};
use crate::{
    access::{Caller, Hash, Offered, Refused, caller},
    http::{Peer, Problem, Shared, audited::Told, cookie, query::Parameters},
};

/// Leads to the log-in page, and from there to where somebody wanted to.
pub(crate) fn lead(next: &str) -> Response {
    if next == "/" { away("/login", None) } else { away(&format!("/login?next={}", encoded(next)), None) }
}

/// `GET /login`
pub(super) async fn show(
    State(shared): State<Shared>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let next = way_on(parameters.only(&["next"])?.text("next"));
    if !shared.app.door.asks() {
        return Ok(away(next, None));
    }
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Ok(Html(once_more(next).into_string()).into_response());
    }
    Ok(page(next, None).into_response())
}

/// Who follows a link of another site brings no cookie, logged in or not: the same link of ours does.
fn once_more(next: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content={ "0; url=" (next) };
                title { "Drover" }
            }
            body { main { p { a href=(next) { "Go on" } } } }
        }
    }
}

/// Where to go on: only to a page of this server.
fn way_on(next: Option<&str>) -> &str {
    next.filter(|path| is_local(path)).unwrap_or("/")
}

fn page(next: &str, wrong: Option<&str>) -> Page {
    let body = html! {
        form.run.log-in method="post" action="/login" {
            h1 { "Log in" }
            @if let Some(wrong) = wrong { p.error role="alert" { (wrong) } }
            input type="hidden" name="next" value=(next);
            div.field {
                label for="token" { "Token" }
                input id="token" name="token" type="password" required autocomplete="current-password" spellcheck="false" autofocus
                    aria-describedby="token-hint";
                p.hint id="token-hint" {
                    "An admin makes one: " code { "drover token create NAME --role viewer" } ". The first one is made on the \
                     orchestrator's machine: " code { "drover-orchestrator token create --name NAME --role admin" } "."
                }
            }
            p { button.primary { "Log in" } }
        }
    };
    Page::new("Log in", Tab::None, body)
}

/// `POST /login`
pub(super) async fn log_in(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Failure> {
    let (door, next) = (&shared.app.door, way_on(form.text("next")));
    if !door.asks() {
        return Ok(away(next, None));
    }
    let token = Hash::of(form.text("token").unwrap_or_default().trim());
    let found = match door.caller(Offered::Token(token), peer.map(|Extension(peer)| peer.0)).await {
        Ok(found) => found,
        Err(Refused::Unknown) => {
            let page = page(next, Some("This token is unknown, expired or revoked."));
            return Ok((StatusCode::UNAUTHORIZED, page).into_response());
        }
        Err(refused) => return Err(Problem::from(refused).into()),
    };
    door.take_request(&found).map_err(Problem::spent)?;
    let Caller { account: Some(account), .. } = found else { return Ok(away(next, None)) };
    let secret = door.open_session(&account).await?;
    let answer = with_cookie(away(next, None), cookie::give(&secret, &headers));
    Ok(Told { account: Some(account), ..Told::default() }.to(answer))
}

/// `POST /logout`
pub(super) async fn log_out(State(shared): State<Shared>, headers: HeaderMap, _: Form) -> Result<Response, Failure> {
    if let Some(session) = caller().session {
        shared.app.door.end_session(&session).await?;
    }
    Ok(with_cookie(away("/login", None), cookie::take_back(&headers)))
}

fn with_cookie(mut answer: Response, cookie: Option<HeaderValue>) -> Response {
    answer.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    answer
}
