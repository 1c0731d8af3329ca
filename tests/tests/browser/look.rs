//! Finding what one looks for, on a wide screen and on a narrow one.

use drover_tests::browser::Screen;

use crate::{done, one_fails, page, stage};

#[tokio::test]
async fn log_lines_are_filtered() {
    let (fleet, browser) = stage(1, Screen::WIDE).await;
    let id = fleet.submit("thumbnails", one_fails()).await.expect("accepted");
    fleet.ended(&id).await.expect("it ends");
    browser.goto(&format!("{}?view=logs", page(&fleet, &id))).await.expect("loaded");
    browser.until(".log", "closing b.mp4").await.expect("they come");
    browser.until(".log", "opening a.mp4").await.expect("they come");
    browser.fill("[name=q]", "CLOSING").await.expect("typed");
    browser.click(".filters button").await.expect("filtered");
    browser.until(".log", "closing b.mp4").await.expect("it is found");
    let text = browser.until(".log", "closing").await.expect("it is found");
    assert!(!text.contains("opening"), "{text}");
    browser.choose("[name=level]", "error").await.expect("chosen");
    browser.click(".filters button").await.expect("filtered");
    browser.until("main", "No lines.").await.expect("there are none");
    assert!(browser.url().await.expect("read").contains("q=CLOSING"), "the filter is in the address");
    done(fleet, browser);
}

#[tokio::test]
async fn every_page_fits_a_phone() {
    let (fleet, browser) = stage(1, Screen::NARROW).await;
    let id = fleet.submit("thumbnails", one_fails()).await.expect("accepted");
    fleet.ended(&id).await.expect("it ends");
    let job = format!("/jobs/{id}");
    let paths =
        ["/", "/jobs", &job, "/run", "/run/thumbnails", "/workers", "/queues", "/dead", "/definitions", "/schedules"];
    let views = ["jobs", "logs", "history", "data"].map(|view| format!("{job}?view={view}"));
    // Behind the last schedule there is none.
    let none = ["/schedules?cursor=Y3p6eg".to_owned()];
    for path in paths.iter().map(|path| (*path).to_owned()).chain(views).chain(none) {
        browser.goto(&format!("{}{path}", fleet.url())).await.expect("loaded");
        let width = browser.script("return document.documentElement.scrollWidth").await.expect("read");
        assert_eq!(width, Screen::NARROW.width, "{path} is wider than the screen");
        assert_eq!(browser.count("main h1").await.expect("counted"), 1, "{path}");
    }
    done(fleet, browser);
}
