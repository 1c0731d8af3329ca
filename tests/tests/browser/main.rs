//! The web pages in a browser: real processes behind them, a person's clicks before them.

mod access;
mod accounts;
mod act;
mod look;
mod pictures;
mod run;

use drover_tests::{Browser, Fleet, browser::Screen};
use serde_json::{Value, json};

/// A step that fans out into jobs that do as they are told, and a check before it.
const FAN_OUT: &str = "
name: thumbnails
title: Make thumbnails
input: { type: object, required: [items], properties: { items: { type: array, title: Items } } }
steps:
  - { key: check, title: Check the folder, job: noop, weight: 10 }
  - key: work
    title: Make them
    job: script
    weight: 90
    for_each: \"${input.items}\"
    batch_size: 1
    max_parallel: 2
    params: \"${batch.items[0]}\"
schedule: { cron: '0 3 * * MON-FRI', time_zone: Europe/Berlin, input: { items: [] } }
";

/// A fleet of workers that do as they are told, and a browser.
async fn stage(orchestrators: usize, screen: Screen) -> (Fleet, Browser) {
    let mut fleet = Fleet::start(orchestrators, &[]).await.expect("the orchestrators start");
    let concurrency = [("DROVER__WORKER__CONCURRENCY", "4")];
    fleet.workers("drover-test-worker", 1, &concurrency).await.expect("the worker starts");
    fleet.apply(FAN_OUT).await.expect("valid");
    (fleet, Browser::open(screen).await.expect("a browser"))
}

/// What a test ends with: what the processes wrote is of no interest.
fn done(mut fleet: Fleet, mut browser: Browser) {
    fleet.silence();
    browser.silence();
}

/// The page of a job.
fn page(fleet: &Fleet, id: &str) -> String {
    format!("{}/jobs/{id}", fleet.url())
}

/// Jobs of which the first fails until somebody retries it.
fn one_fails() -> Value {
    json!({ "items": [
        { "fail_attempts": 1, "retryable": false, "told": "frame 7 is broken", "log": ["opening a.mp4"] },
        { "message": "b.mp4", "log": ["opening b.mp4", "closing b.mp4"] },
        {},
    ] })
}
