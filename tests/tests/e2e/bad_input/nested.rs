//! Headers that nest as deep as they can.

use std::{path::Path, process::Command};

use drover_tests::python_with_pika;

use super::{dead_letter, goes_on};
use crate::workflows;

/// Each list takes five bytes, and headers have one frame of 128 KiB.
const DEPTH: &str = "26000";

#[tokio::test]
async fn headers_nested_without_end_end_no_process() {
    let fleet = workflows::fleet().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/bad_input/nested.py");
    let url = fleet.vhost.url().to_owned();
    let run = move || Command::new(python_with_pika()).arg(script).args([&url, DEPTH]).output();
    let output = tokio::task::spawn_blocking(run).await.expect("it runs").expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let letter = dead_letter(&fleet, "drover.submit", "/type is missing").await;
    let lists = letter["properties"]["headers"]["lists"].as_str().expect("the header");
    assert!(lists.starts_with("[[[") && lists.len() < 100, "{lists:.200}");
    goes_on(&fleet).await;
}
