//! Who is let in, and what each role may.

use std::{net::IpAddr, time::Duration};

use axum::{
    body::Body,
    http::{Method, Request},
};
use drover_tests::wait::{self, Seen};
use futures_util::StreamExt as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Answer, Api};
use crate::{
    access::{AccessConfig, Action, Hash, NewToken, Role},
    config::Auth,
    http::{Peer, all},
    testing::open,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// The token of the configuration.
pub(super) const CONFIGURED: &str = "a-token-of-the-configuration";

/// Everybody is asked.
pub(super) fn asking() -> AccessConfig {
    AccessConfig { auth: Auth::Tokens, admin_token: Some(Hash::of(CONFIGURED)), ..open() }
}

impl Api {
    /// Where everybody is asked who they are.
    pub(super) async fn asking() -> Self {
        Self::behind(asking()).await
    }

    /// A token's secret.
    pub(super) async fn token(&self, name: &str, role: Role) -> String {
        let new = NewToken { name: name.parse().unwrap(), role, requests_per_minute: None, expires_at: None };
        self.made(&new).await
    }

    async fn made(&self, new: &NewToken) -> String {
        self.desk.app.door.create_token(new, "a test").await.unwrap().1.expose_secret().to_owned()
    }

    pub(super) async fn ask_as(&self, token: &str, method: Method, path: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let body = if body.is_null() { Body::empty() } else { body.to_string().into() };
        self.ask(request.header("content-type", "application/json").body(body).unwrap()).await
    }

    async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.ask_as(token, Method::GET, path, &Value::Null).await
    }

    /// Everything that the audit says, the oldest line first.
    pub(super) async fn audit(&self) -> Vec<Value> {
        let lines = self.desk.app.store.view_audit(&Default::default(), None, 500).await.unwrap();
        lines.into_iter().rev().map(|(_, line)| line).collect()
    }
}

/// Every route, with something in the place of its names.
fn routes() -> Vec<(Method, String, Action)> {
    let (_, _, rights) = all().finish();
    let fill = |pattern: &str| {
        let id = if pattern.contains("/dead/") { "1".to_owned() } else { uuid::Uuid::nil().to_string() };
        pattern.replace("{id}", &id).replace("{name}", "a_b").replace("{*path}", "c.jpg")
    };
    let mut routes: Vec<_> =
        rights.all().map(|(method, pattern, action)| (method.clone(), fill(pattern), action)).collect();
    routes.sort_by_key(|(method, path, _)| (path.clone(), method.to_string()));
    routes
}

fn asked(method: &Method, path: &str, token: Option<&str>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn who_has_no_token_gets_nowhere_but_to_health_and_the_log_in_page() {
    let api = Api::asking().await;
    let mut open = Vec::new();
    for (method, path, action) in routes() {
        let answer = api.send(asked(&method, &path, None)).await;
        if action.role().is_none() {
            // What was sent to log in with is nothing.
            assert_eq!(answer.status() == 401, action == Action::LogIn, "{method} {path}");
            open.push(format!("{method} {path}"));
        } else if path.starts_with("/api/") || path.starts_with("/files/") || path == "/metrics" {
            assert_eq!(answer.status(), 401, "{method} {path}");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"drover\"");
        } else {
            assert_eq!(answer.status(), 303, "{method} {path}");
            assert!(answer.headers()["location"].to_str().unwrap().starts_with("/login"), "{method} {path}");
        }
    }
    let expected =
        ["GET /assets/a_b", "GET /healthz/live", "GET /healthz/ready", "GET /login", "POST /login", "POST /logout"];
    assert_eq!(open, expected);
    let refused = api.get("/api/v1/jobs").await;
    let detail = refused.problem(401, "unauthenticated");
    for way_out in
        ["Authorization: Bearer", "DROVER_TOKEN", "drover-orchestrator token create --name NAME --role admin"]
    {
        assert!(detail.contains(way_out), "{detail}");
    }
    for nowhere in ["/nowhere", "/api/v1/nowhere"] {
        api.get(nowhere).await.problem(401, "unauthenticated");
    }
    let person = Request::get("/nowhere").header("accept", "text/html").body(Body::empty()).unwrap();
    assert_eq!(api.ask(person).await.status, 303, "nor is said what is there");
}

#[tokio::test]
async fn what_is_sent_in_the_place_of_a_token_is_refused() {
    let api = Api::asking().await;
    let token = api.token("ann", Role::Viewer).await;
    assert_eq!(api.get_as(&token, "/api/v1/jobs").await.status, 200);
    for bad in ["", "x", "drover_", &token[1..], &format!("{token}0"), &token.to_uppercase()] {
        let refused = api.get_as(bad, "/api/v1/jobs").await;
        assert!(refused.problem(401, "unauthenticated").contains("unknown, expired or revoked"), "{bad:?}");
    }
    for other in [format!("Basic {token}"), token.clone(), "Bearer".into()] {
        let request = Request::get("/api/v1/jobs").header("authorization", other).body(Body::empty()).unwrap();
        let refused = api.ask(request).await;
        assert!(refused.problem(401, "unauthenticated").contains("Authorization must be: Bearer TOKEN"));
        assert!(!refused.body.to_string().contains(&token));
    }
    let small = Request::get("/api/v1/jobs").header("authorization", format!("bearer {token}")).body(Body::empty());
    assert_eq!(api.ask(small.unwrap()).await.status, 200, "the scheme's case does not count");
}

#[tokio::test]
async fn each_role_may_what_the_table_says_at_every_route() {
    let api = Api::asking().await;
    for role in Role::ALL {
        let token = api.token(role.as_str(), role).await;
        for (method, path, action) in routes() {
            let answer = api.send(asked(&method, &path, Some(&token))).await;
            let (status, may) = (answer.status(), role.may(action));
            assert_eq!(status == 403, !may, "{role}: {method} {path} ({action:?}) was answered {status}");
            assert_eq!(status == 401, action == Action::LogIn, "{role}: {method} {path}");
        }
    }
    let viewer = api.token("eve", Role::Viewer).await;
    let refused = api.ask_as(&viewer, Method::POST, "/api/v1/jobs", &json!({ "type": "validate" })).await;
    let detail = refused.problem(403, "role_needed");
    assert_eq!(detail, "this takes the role submitter, and the token eve has the role viewer");
    api.ask_as(&viewer, Method::PATCH, "/api/v1/jobs", &Value::Null).await.problem(403, "role_needed");
    api.ask_as(CONFIGURED, Method::PATCH, "/api/v1/jobs", &Value::Null).await.problem(405, "method_not_allowed");
    api.get_as(&viewer, "/api/v1/nowhere").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_token_ends_when_it_expires() {
    let api = Api::asking().await;
    let expires_at = Some(chrono::Utc::now() + chrono::TimeDelta::milliseconds(700));
    let new = NewToken { name: "brief".parse().unwrap(), role: Role::Viewer, requests_per_minute: None, expires_at };
    let token = api.made(&new).await;
    assert_eq!(api.get_as(&token, "/api/v1/jobs").await.status, 200);
    wait::until("the token to expire", PATIENCE, async || {
        let status = api.get_as(&token, "/api/v1/jobs").await.status;
        Ok(if status == 401 { Seen::Yes(()) } else { Seen::not_yet(status) })
    })
    .await
    .unwrap();
    let late = json!({ "name": "late", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z" });
    let refused = api.ask_as(CONFIGURED, Method::POST, "/api/v1/tokens", &late).await;
    assert!(refused.problem(400, "malformed").contains("worth nothing"));
}

#[tokio::test]
async fn tokens_are_made_shown_once_and_revoked() {
    let api = Api::asking().await;
    let wanted = json!({ "name": "ci", "role": "submitter", "requests_per_minute": 30 });
    let made = api.ask_as(CONFIGURED, Method::POST, "/api/v1/tokens", &wanted).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.header("cache-control"), "no-store");
    let (token, id) = (made.body["token"].as_str().unwrap().to_owned(), made.body["id"].as_str().unwrap());
    let submitted = api.ask_as(&token, Method::POST, "/api/v1/jobs", &json!({ "type": "validate" })).await;
    assert_eq!(submitted.status, 201);
    api.ask_as(CONFIGURED, Method::POST, "/api/v1/tokens", &wanted).await.problem(409, "name_taken");

    let list = api.get_as(CONFIGURED, "/api/v1/tokens").await.ok();
    let listed = &list["tokens"][0];
    assert_eq!((&listed["name"], &listed["status"]), (&json!("ci"), &json!("live")));
    assert_eq!((&listed["created_by"], &listed["requests_per_minute"]), (&json!("config"), &json!(30)));
    assert!(listed["last_used_at"].is_string(), "{listed}");
    assert!(!list.to_string().contains("drover_"), "{list}");

    let revoke = format!("/api/v1/tokens/{id}");
    assert_eq!(api.ask_as(CONFIGURED, Method::DELETE, &revoke, &Value::Null).await.status, 204);
    api.get_as(&token, "/api/v1/jobs").await.problem(401, "unauthenticated");
    assert_eq!(
        api.ask_as(CONFIGURED, Method::DELETE, &revoke, &Value::Null).await.status,
        204,
        "asking twice is no error"
    );
    assert_eq!(api.get_as(CONFIGURED, "/api/v1/tokens").await.ok()["tokens"][0]["status"], "revoked");
    let again = api.ask_as(CONFIGURED, Method::POST, "/api/v1/tokens", &wanted).await;
    assert_eq!(again.status, 201, "the name is free again");

    let unknown = format!("/api/v1/tokens/{}", uuid::Uuid::nil());
    api.ask_as(CONFIGURED, Method::DELETE, &unknown, &Value::Null).await.problem(404, "not_found");
    for (field, bad) in [
        ("/name", json!({ "role": "viewer" })),
        ("/name", json!({ "name": "config", "role": "viewer" })),
        ("/role", json!({ "name": "a" })),
        ("/role", json!({ "name": "a", "role": "root" })),
        ("/requests_per_minute", json!({ "name": "a", "role": "viewer", "requests_per_minute": 0 })),
        ("/expires_at", json!({ "name": "a", "role": "viewer", "expires_at": "soon" })),
        ("/rol", json!({ "name": "a", "rol": "viewer" })),
    ] {
        let refused = api.ask_as(CONFIGURED, Method::POST, "/api/v1/tokens", &bad).await;
        refused.problem(400, "malformed");
        assert_eq!(refused.body["field"], field, "{bad}");
    }
}

#[tokio::test]
async fn a_live_stream_ends_with_its_token() {
    let api = Api::asking().await;
    let token = api.token("watcher", Role::Viewer).await;
    let (doomed, kept) = (asked(&Method::GET, "/api/v1/events", Some(&token)), CONFIGURED);
    let doomed = api.send(doomed).await.into_body().into_data_stream();
    let mut kept = api.send(asked(&Method::GET, "/api/v1/events", Some(kept))).await.into_body().into_data_stream();
    let id = api.get_as(CONFIGURED, "/api/v1/tokens").await.ok()["tokens"][0]["id"].as_str().unwrap().to_owned();
    api.desk.app.door.revoke_token(id.parse().unwrap()).await.unwrap();
    tokio::time::timeout(PATIENCE, doomed.collect::<Vec<_>>()).await.expect("it ends");
    api.desk.submit("validate").await;
    let told = tokio::time::timeout(PATIENCE, kept.next()).await.expect("the other one goes on").unwrap().unwrap();
    assert!(told.starts_with(b"event: changed"), "{told:?}");
}

#[tokio::test]
async fn the_token_of_the_configuration_needs_no_database() {
    let app = crate::testing::Desk::on("postgres://nobody@127.0.0.1:1/nothing", 1024);
    let door = crate::access::Door::new(app.store.clone(), asking());
    let caller = door.caller(crate::access::Offered::Token(Hash::of(CONFIGURED)), None).await.unwrap();
    assert_eq!((caller.name(), caller.role), (Some("config"), Some(Role::Admin)));
}

#[tokio::test]
async fn a_token_has_its_limit_and_others_are_not_concerned() {
    let access = AccessConfig { requests_per_minute: Some(4), ..asking() };
    let api = Api::behind(access).await;
    let own =
        NewToken { name: "own".parse().unwrap(), role: Role::Viewer, requests_per_minute: Some(2), expires_at: None };
    for (token, most) in [(api.made(&own).await, 2), (api.token("usual", Role::Viewer).await, 4)] {
        for _ in 0..most {
            assert_eq!(api.get_as(&token, "/api/v1/jobs").await.status, 200);
        }
        let refused = api.get_as(&token, "/api/v1/jobs").await;
        assert!(refused.problem(429, "too_many_requests").contains("this token"));
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=60 / most + 1).contains(&seconds), "{seconds}");
        assert_eq!(api.get("/healthz/live").await.status, 200);
    }
}

#[tokio::test]
async fn who_guesses_is_slowed_down_and_who_was_let_in_is_not() {
    let api = Api::asking().await;
    let token = api.token("ann", Role::Viewer).await;
    assert_eq!(api.get_as(&token, "/api/v1/jobs").await.status, 200);
    for number in 0..20 {
        api.get_as(&format!("drover_{number}"), "/api/v1/jobs").await.problem(401, "unauthenticated");
    }
    let refused = api.get_as("drover_21", "/api/v1/jobs").await;
    assert!(refused.problem(429, "too_many_requests").contains("address"));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(api.get_as(&token, "/api/v1/jobs").await.status, 200);
    assert_eq!(api.get_as(CONFIGURED, "/api/v1/jobs").await.status, 200);
}

#[tokio::test]
async fn behind_a_proxy_of_ours_each_client_has_tries_of_his_own() {
    let api = Api::behind(AccessConfig { proxies: vec!["10.0.0.7/32".parse().unwrap()], ..asking() }).await;
    let guess = async |peer: [u8; 4], client: &str| {
        let request = Request::get("/api/v1/jobs").header("authorization", "Bearer drover_guess");
        let request = request.header("x-forwarded-for", client).extension(Peer(IpAddr::from(peer)));
        api.ask(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    for _ in 0..20 {
        assert_eq!(guess([10, 0, 0, 7], "198.51.100.7").await, 401);
    }
    assert_eq!(guess([10, 0, 0, 7], "198.51.100.7").await, 429);
    assert_eq!(guess([10, 0, 0, 7], "198.51.100.8").await, 401);
    // Somebody else's word about whom it speaks for is worth nothing.
    for number in 0..20 {
        assert_eq!(guess([10, 0, 0, 8], &format!("198.51.100.{number}")).await, 401);
    }
    assert_eq!(guess([10, 0, 0, 8], "198.51.100.99").await, 429);
}

#[tokio::test]
async fn where_nobody_is_asked_only_names_of_this_machine_are_served() {
    let named = |host: &str, path: &str| Request::get(path).header("host", host).body(Body::empty()).unwrap();
    let api = Api::behind(AccessConfig { hosts: vec!["drover.example".into()], ..open() }).await;
    for good in ["127.0.0.1:8420", "localhost", "[::1]:8420", "drover.example"] {
        assert_eq!(api.ask(named(good, "/api/v1/jobs")).await.status, 200, "{good}");
    }
    for path in ["/api/v1/jobs", "/api/v1/events"] {
        assert!(api.ask(named("evil.example:8420", path)).await.problem(403, "forbidden").contains("http.hosts"));
    }
    assert_eq!(api.ask(named("evil.example:8420", "/")).await.status, 403);
    assert_eq!(api.ask(named("10.0.0.7", "/healthz/live")).await.status, 200, "a probe learns nothing");
    let asking = Api::asking().await;
    let request = Request::get("/api/v1/jobs").header("host", "drover.example");
    let request = request.header("authorization", format!("Bearer {CONFIGURED}")).body(Body::empty()).unwrap();
    assert_eq!(asking.ask(request).await.status, 200, "a token is a name's proof");
}
