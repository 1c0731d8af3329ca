//! People who log in, and what is refused to them.

use drover_tests::{Browser, Fleet, browser::Screen};
use reqwest::Method;
use serde_json::json;

use crate::{FAN_OUT, done, page};

/// The token of the configuration.
pub(crate) const ADMIN: &str = "the-token-of-the-configuration";

/// A fleet that asks who it is, and a browser.
pub(crate) async fn asking() -> (Fleet, Browser) {
    let environment = [("DROVER__HTTP__AUTH", "tokens"), ("DROVER__HTTP__ADMIN_TOKEN", ADMIN)];
    let mut fleet = Fleet::start(1, &environment).await.expect("the orchestrator starts");
    fleet.set_token(ADMIN);
    fleet.workers("drover-test-worker", 1, &[]).await.expect("the worker starts");
    fleet.apply(FAN_OUT).await.expect("valid");
    (fleet, Browser::open(Screen::WIDE).await.expect("a browser"))
}

/// A token's secret.
pub(crate) async fn token(fleet: &Fleet, name: &str, role: &str) -> String {
    let wanted = json!({ "name": name, "role": role });
    let (status, made) = fleet.request(Method::POST, "/api/v1/tokens", Some(wanted)).await.expect("answered");
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().expect("a secret").to_owned()
}

pub(crate) async fn log_in(browser: &Browser, token: &str) {
    browser.fill("#token", token).await.expect("typed");
    browser.click_words("button", "Log in").await.expect("sent");
}

#[tokio::test]
async fn somebody_logs_in_and_is_refused_as_a_viewer_and_acts_as_an_operator() {
    let (fleet, browser) = asking().await;
    let gate = tempfile::tempdir().expect("a folder");
    let gate = gate.path().join("gate");
    let id = fleet.submit("script", json!({ "gate": gate })).await.expect("accepted");
    let (viewer, operator) = (token(&fleet, "vic", "viewer").await, token(&fleet, "olga", "operator").await);

    browser.goto(&page(&fleet, &id)).await.expect("loaded");
    browser.until("h1", "Log in").await.expect("it asks first");
    log_in(&browser, "drover_guess").await;
    browser.until(".error", "unknown, expired or revoked").await.expect("it says why not");
    log_in(&browser, &viewer).await;
    browser.until("h1 .badge", "running").await.expect("it leads to where somebody wanted");
    browser.until(".who", "vic viewer").await.expect("it says who is logged in");
    browser.until("#live", "live").await.expect("the stream takes the session");
    assert_eq!(browser.count(".actions button").await.expect("counted"), 0, "nothing is offered that is refused");

    let press = format!(
        "const form = document.createElement('form'); form.method = 'post'; form.action = '/jobs/{id}/cancel';
         document.body.append(form); form.submit();"
    );
    browser.script(&press).await.expect("sent");
    browser
        .until("[role=alert]", "this takes the role operator, and the token vic has the role viewer")
        .await
        .expect("refused");
    assert_eq!(fleet.job(&id).await.expect("there")["status"], "running");
    browser.goto(&format!("{}/tokens", fleet.url())).await.expect("loaded");
    browser.until("[role=alert]", "takes the role admin").await.expect("refused");
    let cookie = browser.script("return document.cookie").await.expect("read");
    assert_eq!(cookie, "", "no script reads the cookie");

    browser.click_words("button", "Log out").await.expect("out");
    browser.until("h1", "Log in").await.expect("it asks again");
    log_in(&browser, &operator).await;
    browser.until(".who", "olga operator").await.expect("logged in");
    browser.goto(&page(&fleet, &id)).await.expect("loaded");
    browser.click_words("button", "Cancel").await.expect("pressed");
    browser.until("h1 .badge", "cancelled").await.expect("it ends, and the page follows");
    done(fleet, browser);
}

#[tokio::test]
async fn an_admin_makes_a_token_and_who_has_it_is_logged_out_when_it_is_revoked() {
    let (fleet, admin) = asking().await;
    admin.goto(&format!("{}/tokens", fleet.url())).await.expect("loaded");
    log_in(&admin, ADMIN).await;
    admin.fill("input[name=name]", "ci").await.expect("typed");
    admin.click_words("button", "Make a token").await.expect("sent");
    let secret = admin.until(".secret code", "drover_").await.expect("it is shown");
    let mut other = Browser::open(Screen::NARROW).await.expect("a browser");
    other.goto(&format!("{}/jobs", fleet.url())).await.expect("loaded");
    log_in(&other, &secret).await;
    other.until("h1", "Jobs").await.expect("it comes in");
    // As if another tab were shown: this one lets go of its stream, and asks for nothing.
    let shown = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});
            document.dispatchEvent(new Event('visibilitychange'))"
        )
    };
    other.script(&shown(true)).await.expect("hidden");

    admin.goto(&format!("{}/tokens", fleet.url())).await.expect("loaded");
    admin.click_words("summary", "Revoke…").await.expect("opened");
    admin.click_words("button", "Revoke").await.expect("pressed");
    admin.until(".note", "It was revoked").await.expect("it says so");
    other.script(&shown(false)).await.expect("shown");
    other.until("h1", "Log in").await.expect("its live page finds out by itself, though no stream is given to it");
    admin.goto(&format!("{}/audit", fleet.url())).await.expect("loaded");
    admin.until("tbody tr:first-child", "revoke_token").await.expect("the newest line");
    other.silence();
    done(fleet, admin);
}
