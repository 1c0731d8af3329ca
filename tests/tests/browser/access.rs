//! What an accessibility checker (axe-core) finds.

use std::path::Path;

use drover_tests::{Browser, browser::Screen};
use serde_json::Value;

use crate::{
    accounts::{ADMIN, asking, log_in, token},
    done, one_fails, stage,
};

/// The checker's script.
fn axe() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/axe/axe.min.js");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}; fetch it: scripts/axe", file.display()))
}

/// What it finds on the page, by rule and element.
const CHECK: &str = "
const done = axe.run({ resultTypes: ['violations'] });
return done.then(({ violations }) => violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ html, failureSummary }) => ({ id, impact, html, failureSummary }))));
";

/// What it finds on the page that is open.
async fn check(browser: &Browser, axe: &str, path: &str) -> Vec<String> {
    browser.script(axe).await.expect("the checker is there");
    let violations = browser.script(CHECK).await.expect("it checks");
    let violations = violations.as_array().cloned().unwrap_or_else(|| panic!("{path}: {violations}"));
    violations.into_iter().map(|violation: Value| format!("{path}: {violation:#}")).collect()
}

#[tokio::test]
async fn the_checker_finds_nothing_on_any_page_light_or_dark() {
    let (fleet, browser) = stage(1, Screen::WIDE).await;
    let dark = Browser::open(Screen { dark: true, ..Screen::WIDE }).await.expect("a browser");
    let id = fleet.submit("thumbnails", one_fails()).await.expect("accepted");
    fleet.ended(&id).await.expect("it ends");
    let gate = tempfile::tempdir().expect("a folder");
    for _ in 0..6 {
        let waits = serde_json::json!({ "gate": gate.path().join("gate"), "message": "it waits" });
        fleet.submit("script", waits).await.expect("accepted");
    }
    let axe = axe();
    let job = format!("/jobs/{id}");
    let paths =
        ["/", "/jobs", &job, "/run", "/run/thumbnails", "/workers", "/queues", "/dead", "/definitions", "/schedules"];
    let more = ["?view=jobs", "?view=jobs&status=failed", "?view=logs", "?view=history", "?view=data"];
    let more = more.map(|view| format!("{job}{view}"));
    let paths = paths.iter().map(|path| (*path).to_owned()).chain(more).chain(["/definitions/thumbnails".into()]);
    let mut found = Vec::new();
    for path in paths {
        for browser in [&browser, &dark] {
            browser.goto(&format!("{}{path}", fleet.url())).await.expect("loaded");
            found.extend(check(browser, &axe, &path).await);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let mut dark = dark;
    dark.silence();
    done(fleet, browser);
}

#[tokio::test]
async fn the_checker_finds_nothing_on_the_pages_of_accounts_light_or_dark() {
    let (fleet, browser) = asking().await;
    let mut dark = Browser::open(Screen { dark: true, ..Screen::WIDE }).await.expect("a browser");
    for role in ["viewer", "operator"] {
        token(&fleet, &format!("a-{role}"), role).await;
    }
    let (axe, mut found) = (axe(), Vec::new());
    for browser in [&browser, &dark] {
        for path in ["/tokens", "/audit"] {
            browser.goto(&format!("{}{path}", fleet.url())).await.expect("loaded");
            if browser.count("#token").await.expect("counted") > 0 {
                found.extend(check(browser, &axe, "/login").await);
                log_in(browser, ADMIN).await;
                browser.until(".who", "config").await.expect("logged in");
            }
            found.extend(check(browser, &axe, path).await);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    dark.silence();
    done(fleet, browser);
}
