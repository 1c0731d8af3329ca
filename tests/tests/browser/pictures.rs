//! Pictures among a result.

use std::fs;

use drover_tests::{
    Browser, Fleet,
    browser::Screen,
    wait::{self, Seen},
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    accounts::{ADMIN, log_in, token},
    done, page,
};

/// A blue picture, 32 by 18, as PNG.
const PICTURE: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00,
    0x20, 0x00, 0x00, 0x00, 0x12, 0x08, 0x02, 0x00, 0x00, 0x00, 0xb5, 0xaa, 0x4b, 0x05, 0x00, 0x00, 0x00, 0x1f, 0x49,
    0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xd0, 0xcf, 0x7f, 0x4d, 0x53, 0xc4, 0x30, 0x6a, 0xc1, 0xa8, 0x05, 0xa3, 0x16,
    0x8c, 0x5a, 0x30, 0x6a, 0xc1, 0xa8, 0x05, 0xf4, 0xb0, 0x00, 0x00, 0x7e, 0xac, 0x74, 0x6e, 0x64, 0x53, 0x43, 0x11,
    0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// A fleet that shows a folder to those who may read, and a browser.
async fn showing(screen: Screen) -> (Fleet, Browser, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("7")).expect("made");
    for name in ["thumbnail.png", "a \"b\" #1.png", "sprite.png"] {
        fs::write(folder.path().join("7").join(name), PICTURE).expect("written");
    }
    let shown = folder.path().display().to_string();
    let environment = [
        ("DROVER__HTTP__AUTH", "tokens"),
        ("DROVER__HTTP__ADMIN_TOKEN", ADMIN),
        ("DROVER__FILES__MEDIA", shown.as_str()),
    ];
    let mut fleet = Fleet::start(1, &environment).await.expect("the orchestrator starts");
    fleet.set_token(ADMIN);
    fleet.workers("drover-test-worker", 1, &[]).await.expect("the worker starts");
    (fleet, Browser::open(screen).await.expect("a browser"), folder)
}

/// Waits until every picture that is in sight is loaded. How wide they are in themselves.
async fn loaded(browser: &Browser) -> Vec<u64> {
    let widths = "return [...document.querySelectorAll('main img, body > img')].map((img) => img.complete ? img.naturalWidth : -1)";
    wait::until("the pictures to load", drover_tests::fleet::PATIENCE, async || {
        let widths: Vec<i64> = serde_json::from_value(browser.script(widths).await?)?;
        let seen: Vec<u64> = widths.iter().filter_map(|width| u64::try_from(*width).ok()).collect();
        Ok(if seen.len() == widths.len() && !seen.is_empty() {
            Seen::Yes(seen)
        } else {
            Seen::not_yet(format!("{widths:?}"))
        })
    })
    .await
    .expect("they are loaded or not there")
}

#[tokio::test]
async fn a_viewer_sees_the_pictures_of_a_result_on_a_phone() {
    let (fleet, browser, _folder) = showing(Screen::NARROW).await;
    let scene = json!({
        "thumbnail": "/files/media/7/thumbnail.png", "sprite": "/files/media/7/sprite.png", "clip": "/files/media/7/clip.mp4",
    });
    let result = json!({ "previews": [scene], "covers": ["/files/media/7/a \"b\" #1.png", "/files/elsewhere/a.png"] });
    let id = fleet.submit("script", json!({ "result": result })).await.expect("accepted");
    fleet.ended(&id).await.expect("it ends");
    browser.goto(&page(&fleet, &id)).await.expect("loaded");
    log_in(&browser, &token(&fleet, "vic", "viewer").await).await;
    browser.until("main h2", "Result").await.expect("it leads there");
    assert_eq!(loaded(&browser).await, [32, 32], "a picture, and one with an odd name");
    assert_eq!(browser.count("main img[loading=lazy][alt]").await.expect("counted"), 2);
    let links = browser.script("return [...document.querySelectorAll('.gallery .files a')].map((a) => a.textContent)");
    assert_eq!(links.await.expect("read"), json!(["clip", "sprite"]), "in the order of the result's keys");
    let width = browser.script("return document.documentElement.scrollWidth").await.expect("read");
    assert_eq!(width, Screen::NARROW.width, "it fits");

    browser.click(".gallery a").await.expect("clicked");
    wait::until("the picture alone", drover_tests::fleet::PATIENCE, async || {
        let url = browser.url().await?;
        Ok(if url.contains("/files/media/7/") { Seen::Yes(()) } else { Seen::not_yet(url) })
    })
    .await
    .expect("it leads to the whole");
    assert_eq!(loaded(&browser).await, [32], "in its sandbox");
    done(fleet, browser);
}
