//! The API against its own description, by a fuzzer that knows nothing else of it: schemathesis.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use drover_tests::Fleet;
use serde_json::json;
use tokio::process::Command;

const TOKEN: &str = "an-admin-of-this-test-alone";

/// Whatever the schema says may be sent is answered as the schema says, and never by a 5xx; what it forbids is refused. A request that
/// fits the schema may still be refused: which ids, cursors and names there are it cannot know (`positive_data_acceptance`). And whoever
/// comes with a wrong token again and again is told to come less often, instead of 401 (`ignored_auth`).
async fn fuzz(fleet: &Fleet, config: &Path, arguments: &[&str]) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/schemathesis/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run scripts/schemathesis", program.display());
    let output = Command::new(program)
        .args(["--config-file".as_ref(), config.as_os_str()])
        .args([
            "run",
            &format!("{}/api/v1/openapi.json", fleet.url()),
            "--header",
            &format!("Authorization: Bearer {TOKEN}"),
        ])
        .args([
            "--seed",
            "1",
            "--max-examples",
            "30",
            "--phases",
            "examples,coverage,fuzzing",
            "--warnings",
            "off",
            "--no-color",
        ])
        .args([
            "--exclude-checks",
            "positive_data_acceptance,ignored_auth",
            "--request-timeout",
            "30",
            "--continue-on-failure",
        ])
        // Streams have no end.
        .args(["--exclude-path-regex", "/(changes|events)$"])
        .args(arguments)
        .current_dir(config.parent().expect("a folder"))
        .kill_on_drop(true)
        .output()
        .await
        .expect("it starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("generated"), "it has tried nothing: {told}");
}

/// A configuration of schemathesis, in a folder of its own: it writes there.
fn config(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("schemathesis.toml");
    std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes())).expect("it is written");
    path
}

#[tokio::test]
async fn a_fuzzer_finds_no_failure_and_no_broken_promise() {
    let environment = [
        ("DROVER__HTTP__AUTH", "tokens"),
        ("DROVER__HTTP__ADMIN_TOKEN", TOKEN),
        ("DROVER__HTTP__REQUESTS_PER_MINUTE", "0"),
    ];
    let mut fleet = Fleet::start(1, &environment).await.expect("it starts");
    fleet.set_token(TOKEN);
    fleet.workers("drover-test-worker", 1, &[]).await.expect("a worker");
    let job = fleet.run("noop", json!({})).await.expect("it ends");
    let folder = tempfile::tempdir().expect("a folder");

    fuzz(&fleet, &config(folder.path(), ""), &[]).await;
    // Again with a job that is there; it is not to be deleted.
    let known = config(folder.path(), &format!("[parameters]\n\"path.id\" = {}\n", job["id"]));
    fuzz(&fleet, &known, &["--include-path-regex", "/jobs/\\{id\\}", "--exclude-method", "DELETE"]).await;
}
