//! Running a workflow from its form and watching it.

use drover_tests::browser::Screen;
use serde_json::json;

use crate::{done, stage};

#[tokio::test]
async fn a_workflow_is_run_from_its_form_and_watched_live_to_the_end_on_another_replica() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let (fleet, browser) = stage(2, Screen::WIDE).await;
    let there = &fleet.orchestrators[1].url;
    browser.goto(&format!("{there}/run")).await.expect("loaded");
    browser.click("a[href='/run/thumbnails']").await.expect("chosen");
    browser.fill("[id='p.items']", "no JSON").await.expect("typed");
    browser.click(".run button").await.expect("sent");
    browser.until("[id='p.items-error']", "it is no JSON").await.expect("said at the field");
    let items = json!([{ "gate": gate, "message": "a.mp4", "progress": [50.0] }, { "gate": gate, "progress": [50.0] }]);
    browser.fill("[id='p.items']", &items.to_string()).await.expect("typed");
    browser.click(".run button").await.expect("sent");

    browser.until(".line", "Step 2/2: Make them").await.expect("it runs");
    // A page that was loaded anew would have forgotten this.
    browser.script("window.mark = 1").await.expect("marked");
    browser.until(".standing .percent", "55 %").await.expect("its bar moves");
    browser.until("h1 .badge", "running").await.expect("it is running");
    browser.until("#live", "live").await.expect("it follows");
    std::fs::write(&gate, "").expect("opened");
    browser.until("h1 .badge", "completed").await.expect("it ends");
    browser.until(".standing .percent", "100 %").await.expect("its bar is full");
    assert_eq!(browser.script("return window.mark").await.expect("read"), 1, "it was loaded anew");
    done(fleet, browser);
}

#[tokio::test]
async fn the_overview_follows_what_others_submit() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let (fleet, browser) = stage(1, Screen::WIDE).await;
    browser.goto(fleet.url()).await.expect("loaded");
    browser.until(".empty h2", "Nothing has run yet").await.expect("it says what to do");
    let id = fleet.submit("thumbnails", json!({ "items": [{ "gate": gate }] })).await.expect("accepted");
    browser.until(".card .step", "Step 2/2: Make them").await.expect("its card comes");
    std::fs::write(&gate, "").expect("opened");
    fleet.ended(&id).await.expect("it ends");
    browser.until("[aria-labelledby=active]", "Nothing is at work").await.expect("its card goes");
    browser.until(".charts", "Completed\n1").await.expect("it is counted");
    done(fleet, browser);
}
