//! Tokens: who may come in.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    Failure,
    form::{Form, away},
    page::{Note, Page, Tab},
    parts, span,
};
use crate::{
    access::{NewToken, Role},
    http::{
        Problem, Shared,
        audited::Told,
        path::TokenId,
        query::Parameters,
        tokens::{LISTED, MOST_REQUESTS, by, told},
    },
};

/// For how long a token may be made here, in days.
const LASTS: [(&str, &str, i64); 4] =
    [("1d", "a day", 1), ("30d", "30 days", 30), ("90d", "90 days", 90), ("365d", "a year", 365)];

/// `GET /tokens`
pub(super) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    parameters.only(&["note"])?;
    let tokens = shared.app.store.view_tokens(LISTED).await?;
    Ok(Page::new("Tokens", Tab::Tokens, body(&tokens, None)).noting(&parameters))
}

fn body(tokens: &[Value], made: Option<&Markup>) -> Markup {
    let rows: Vec<Markup> = tokens.iter().map(row).collect();
    html! {
        h1 { "Tokens" }
        @if let Some(made) = made { (made) }
        (form())
        @if rows.is_empty() {
            (parts::empty("There are none", &html! { p { "You are here by the token of the configuration, " code { "http.admin_token" } "." } }))
        } @else {
            (parts::table("Tokens", &["Name", "Role", "State", "Made", "Last used", "Expires", "Requests a minute", "-Actions"], &rows))
        }
    }
}

fn form() -> Markup {
    html! {
        form.filters method="post" action="/tokens" aria-label="Make a token" {
            label { "Name" input name="name" required maxlength="64" pattern="[A-Za-z0-9._@\\-]+" autocomplete="off"; }
            label { "Role" select name="role" { @for role in Role::ALL { option value=(role) { (role) } } } }
            label { "Lasts" select name="lasts" {
                option value="" { "until it is revoked" }
                @for (name, words, _) in LASTS { option value=(name) { (words) } }
            } }
            label { "Requests a minute" input name="requests_per_minute" type="number" min="1" max=(MOST_REQUESTS) placeholder="as configured"; }
            button.primary { "Make a token" }
        }
    }
}

fn row(token: &Value) -> Markup {
    let text = |key: &str| token[key].as_str().unwrap_or("–");
    let (status, id) = (text("status"), text("id"));
    let class = match status {
        "live" => "completed",
        "expired" => "with-errors",
        _ => "cancelled",
    };
    html! {
        tr data-key=(id) {
            td.name { a href={ "/audit?name=" (super::job::encoded(text("name"))) } { (text("name")) } }
            td { (text("role")) }
            td { span class={ "badge " (class) } { (status) } }
            td.number { (at(&token["created_at"])) " " span.muted { "by " (text("created_by")) } }
            td.number { (at(&token["last_used_at"])) }
            td.number { @match token["expires_at"].as_str() { Some(until) => (until.get(..10).unwrap_or(until)), None => "–" } }
            td.number { @match token["requests_per_minute"].as_i64() { Some(limit) => (limit), None => "–" } }
            td { @if status != "revoked" {
                (parts::careful(&format!("/tokens/{id}/revoke"), "Revoke", "Whoever has it comes in no more, and browsers that logged in with it are logged out.", &[]))
            } }
        }
    }
}

fn at(value: &Value) -> Markup {
    let at: Option<DateTime<Utc>> = value.as_str().and_then(|text| text.parse().ok());
    html! { @match at { Some(at) => (span::ago(at)), None => "–" } }
}

/// `POST /tokens`: the answer shows the secret, this once.
pub(super) async fn create(State(shared): State<Shared>, form: Form) -> Result<Response, Failure> {
    let new = read(&form)?;
    let (_, secret) = shared.app.door.create_token(&new, &by()).await?;
    let made = html! {
        section.secret role="status" {
            h2 { "Token " (new.name) " was made" }
            p { "Copy it now: it is not shown again, and nobody can find it out." }
            p { code { (secret.expose_secret()) } }
        }
    };
    let tokens = shared.app.store.view_tokens(LISTED).await?;
    let page = Page::new("Tokens", Tab::Tokens, body(&tokens, Some(&made)));
    Ok(told(&new).to((StatusCode::CREATED, page).into_response()))
}

fn read(form: &Form) -> Result<NewToken, Problem> {
    let unfit = |name: &str, expected: &str| Problem::bad_request(format!("{name}: it must be {expected}")).field(name);
    let role = form.text("role").and_then(|role| role.parse().ok());
    let role = role.ok_or_else(|| unfit("role", "viewer, submitter, operator or admin"))?;
    let days = match form.text("lasts") {
        None => None,
        Some(lasts) => match LASTS.iter().find(|(name, ..)| *name == lasts) {
            Some((.., days)) => Some(*days),
            None => return Err(unfit("lasts", "1d, 30d, 90d or 365d")),
        },
    };
    let limit = form.text("requests_per_minute").map(|text| {
        let number = text.parse::<u32>().ok().filter(|limit| (1..=MOST_REQUESTS).contains(&i64::from(*limit)));
        number.ok_or_else(|| unfit("requests_per_minute", &format!("a whole number from 1 to {MOST_REQUESTS}")))
    });
    Ok(NewToken {
        name: form.text("name").unwrap_or_default().parse()?,
        role,
        requests_per_minute: limit.transpose()?,
        expires_at: days.map(|days| Utc::now() + TimeDelta::days(days)),
    })
}

/// `POST /tokens/{id}/revoke`
pub(super) async fn revoke(State(shared): State<Shared>, TokenId(id): TokenId, _: Form) -> Result<Response, Failure> {
    let name = shared.app.door.revoke_token(id).await?;
    Ok(Told::of(name).with(json!({ "id": id })).to(away("/tokens", Some(Note::Revoked))))
}
