//! What a person does to a job, and what is seen of it.

use drover_tests::browser::Screen;
use fantoccini::key::Key;
use serde_json::json;

use crate::{done, one_fails, page, stage};

#[tokio::test]
async fn a_cancel_says_what_it_waits_for_until_nothing_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let (fleet, browser) = stage(1, Screen::WIDE).await;
    let script = json!({ "gate": gate, "stubborn": true });
    let id = fleet.submit("thumbnails", json!({ "items": [script, script, script] })).await.expect("accepted");
    browser.goto(&page(&fleet, &id)).await.expect("loaded");
    browser.until(".why", "window of step Make them full, 2 of 2 running, 1 wait for it").await.expect("it says why");
    browser.click_words("button", "Cancel").await.expect("cancelled");
    browser.until(".note", "The cancel was accepted").await.expect("it says so");
    browser.until(".why", "waiting for 2 of 3 sub-jobs").await.expect("it says what it waits for");
    std::fs::write(&gate, "").expect("opened");
    browser.until("h1 .badge", "cancelled").await.expect("it ends");
    done(fleet, browser);
}

/// What was opened or has the focus is never another action a moment later.
#[tokio::test]
async fn a_button_that_is_about_to_be_pressed_does_not_become_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let (fleet, browser) = stage(1, Screen::WIDE).await;
    let id = fleet.submit("script", json!({ "gate": gate, "stubborn": true })).await.expect("accepted");
    browser.goto(&page(&fleet, &id)).await.expect("loaded");
    browser.until("h1 .badge", "running").await.expect("it runs");
    browser.click_words("button", "Cancel").await.expect("cancelled");
    browser.until("h1 .badge", "cancelling").await.expect("it waits");
    browser.click_words("summary", "Cancel now…").await.expect("opened");
    browser.script("document.querySelector('details.careful button').focus()").await.expect("focused");
    std::fs::write(&gate, "").expect("opened");
    browser.until("h1 .badge", "completed").await.expect("it was done before it could be cancelled");
    browser.until(".actions summary", "Delete…").await.expect("what may be done now");
    assert_eq!(browser.count("details.careful[open]").await.expect("counted"), 0);
    let focused = "return document.activeElement.closest('form') === null";
    assert_eq!(browser.script(focused).await.expect("read"), json!(true));
    done(fleet, browser);
}

#[tokio::test]
async fn a_failed_batch_is_opened_and_what_failed_is_retried() {
    let (fleet, browser) = stage(1, Screen::WIDE).await;
    let id = fleet.submit("thumbnails", one_fails()).await.expect("accepted");
    fleet.ended(&id).await.expect("it ends");
    browser.goto(&page(&fleet, &id)).await.expect("loaded");
    browser.until("h1 .badge", "with errors").await.expect("it has errors");
    browser.click_words("a", "1 failed").await.expect("those that failed");
    browser.until(".words .bad", "frame 7 is broken").await.expect("it says why");
    browser.click_words("a", "Batch 0").await.expect("opened");
    browser.until(".error", "frame 7 is broken").await.expect("its own page says it, too");
    browser.click_words("a", "workflow").await.expect("back");
    browser.click_words("button", "Retry what failed").await.expect("retried");
    browser.until("h1 .badge", "completed").await.expect("it completes");
    assert_eq!(fleet.ended(&id).await.expect("it has ended")["status"], "completed");
    done(fleet, browser);
}

#[tokio::test]
async fn everything_can_be_reached_and_done_by_keyboard() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let (fleet, browser) = stage(1, Screen::WIDE).await;
    let id = fleet.submit("script", json!({ "gate": gate })).await.expect("accepted");
    browser.goto(&page(&fleet, &id)).await.expect("loaded");
    browser.until("h1 .badge", "running").await.expect("it runs");
    let focused = "return document.activeElement.textContent.trim()";
    browser.press(&Key::Tab.to_string()).await.expect("pressed");
    assert_eq!(browser.script(focused).await.expect("read"), "To the content");
    browser.press(&Key::Enter.to_string()).await.expect("pressed");
    let mut passed = Vec::new();
    while browser.script(focused).await.expect("read") != "Cancel" {
        assert!(passed.len() < 20, "the button was not reached: {passed:?}");
        browser.press(&Key::Tab.to_string()).await.expect("pressed");
        passed.push(browser.script(focused).await.expect("read"));
    }
    browser.press(&Key::Enter.to_string()).await.expect("pressed");
    browser.until("h1 .badge", "cancelled").await.expect("it ends");
    done(fleet, browser);
}

#[tokio::test]
async fn what_waits_for_an_answer_is_approved_or_refused_with_a_reason() {
    let (fleet, browser) = stage(1, Screen::WIDE).await;
    let definition = "
name: release
title: Release
steps:
  - { key: gate, title: Approve the release, wait_for: signal, on_failure: fail }
  - { key: ship, title: Ship it, job: noop }
";
    fleet.apply(definition).await.expect("valid");
    for (button, note, end) in [("Approve", "Approved.", "completed"), ("Refuse", "Refused.", "failed")] {
        let id = fleet.submit("release", json!({})).await.expect("accepted");
        browser.goto(&page(&fleet, &id)).await.expect("loaded");
        browser.until(".waiting", "Approve the release").await.expect("it waits");
        browser.until(".why", "waiting for approval since").await.expect("it says why");
        browser.fill("[name=reason]", "seen on staging").await.expect("typed");
        browser.click_words("button", button).await.expect("answered");
        browser.until(".note", note).await.expect("it says so");
        browser.until("h1 .badge", end).await.expect("it ends");
        let job = fleet.ended(&id).await.expect("it ends");
        let gate = &job["result"]["steps"]["gate"];
        assert_eq!(gate["result"]["reason"], "seen on staging", "{job}");
    }
    done(fleet, browser);
}

#[tokio::test]
async fn a_schedule_is_run_turned_off_and_turned_on() {
    let (fleet, browser) = stage(1, Screen::WIDE).await;
    browser.goto(&format!("{}/schedules", fleet.url())).await.expect("loaded");
    browser.until("tbody", "At 03:00, on Monday").await.expect("it says when");
    browser.click_words("button", "Turn off").await.expect("pressed");
    browser.until(".note", "It is off").await.expect("it says so");
    browser.until("tbody .badge.paused", "off").await.expect("it is");
    browser.click_words("button", "Turn on").await.expect("pressed");
    browser.until("tbody .badge.completed", "on").await.expect("it is");
    browser.click_words("button", "Run now").await.expect("pressed");
    browser.until(".note", "It was submitted").await.expect("it says so");
    browser.until("h1 .badge", "completed").await.expect("it ends");
    browser.goto(&format!("{}/schedules", fleet.url())).await.expect("loaded");
    browser.until("tbody td:nth-child(5)", "completed").await.expect("its end is seen");
    done(fleet, browser);
}
