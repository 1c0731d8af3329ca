//! What no client can decode.

use std::{path::Path, process::Command};

use drover_tests::{
    fleet::PATIENCE,
    python_with_pika,
    wait::{self, Seen},
};

use super::goes_on;
use crate::workflows;

#[tokio::test]
async fn a_submission_that_breaks_the_connection_breaks_no_other_connection() {
    let fleet = workflows::fleet().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/bad_input/undecodable.py");
    let url = fleet.vhost.url().to_owned();
    let run = move || Command::new(python_with_pika()).arg(script).arg(&url).output();
    let output = tokio::task::spawn_blocking(run).await.expect("it runs").expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lost = || {
        let logs = fleet.orchestrators.iter().map(|orchestrator| orchestrator.process.log());
        let logs: Vec<String> = logs.collect();
        let lines =
            logs.iter().flat_map(|log| log.lines()).filter(|line| line.contains("connection to the broker is lost"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    wait::until("it to break its connection twice", PATIENCE, async || {
        let lost = lost();
        Ok(if lost.len() >= 2 { Seen::Yes(()) } else { Seen::not_yet(serde_json::json!(lost)) })
    })
    .await
    .expect("it cannot be read");
    goes_on(&fleet).await;
    assert!(lost().iter().all(|line| line.contains("strangers")), "{:#?}", lost());
}
