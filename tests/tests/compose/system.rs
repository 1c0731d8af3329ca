//! The whole system with nobody having more rights than the file gives.

use std::process::Command;

use drover_tests::servers;
use reqwest::Method;
use serde_json::json;

use crate::deployment::Deployment;

#[tokio::test]
async fn an_import_completes_and_another_is_cancelled_with_the_rights_of_the_file() {
    let deployment = Deployment::up(3).await;
    let fleet = &deployment.fleet;
    let manifest = deployment.generate("/data/in", 40, 8_000);
    let job = fleet.run("data_import", json!({ "import_path": deployment.data("/data/in") })).await.expect("it ends");
    assert_eq!(job["status"], "completed", "{job}");
    let summary = &job["result"]["summary"];
    assert_eq!((&summary["indexed_rows"], &summary["total_errors"]), (&manifest["rows"], &json!(0)), "{summary}");

    deployment.generate("/data/more", 120, 240_000);
    let id =
        fleet.submit("data_import", json!({ "import_path": deployment.data("/data/more") })).await.expect("accepted");
    let step = |job: &serde_json::Value| job["metadata"]["steps"][1]["running"].as_u64();
    fleet.until(&id, "processing to run", |job| step(job) >= Some(1)).await.expect("it gets there");
    let (status, body) =
        fleet.request(Method::POST, &format!("/api/v1/jobs/{id}/cancel"), None).await.expect("answered");
    assert_eq!(status, 202, "{body}");
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!(job["status"], "cancelled", "{job}");

    for process in fleet.orchestrators.iter().map(|each| &each.process).chain(&fleet.workers) {
        let log = process.log();
        assert!(!log.contains("ACCESS_REFUSED") && !log.contains("permission denied"), "{log}");
    }
    health_checks_pass(&deployment).await;
    tokens_are_asked_for(&deployment).await;
}

/// The ports may be published: nobody comes in without a token, and the one of the file is an admin's.
async fn tokens_are_asked_for(deployment: &Deployment) {
    let (client, url) = (reqwest::Client::new(), deployment.fleet.url());
    let tokens = client.get(format!("{url}/api/v1/tokens"));
    assert_eq!(tokens.try_clone().expect("no body").send().await.expect("answered").status(), 401);
    let token = deployment.compose.variable("orchestrator-1", "DROVER__HTTP__ADMIN_TOKEN");
    assert_eq!(tokens.bearer_auth(token).send().await.expect("answered").status(), 200);
    let database = &deployment.fleet.database;
    let role = database.connect_as("drover", "drover").await.expect("connected");
    let lines: i64 =
        role.query_one("SELECT count(*) FROM audit WHERE action = 'cancel'", &[]).await.expect("read").get(0);
    assert!(lines > 0, "the cancel has its line");
    for change in
        ["UPDATE audit SET status = 1", "DELETE FROM audit", "TRUNCATE audit", "ALTER TABLE audit DISABLE TRIGGER ALL"]
    {
        assert!(role.execute(change, &[]).await.is_err(), "{change}");
    }
}

async fn health_checks_pass(deployment: &Deployment) {
    let servers = servers().await.expect("servers");
    let passes = |mut check: Command| {
        let output = check.output().unwrap_or_else(|error| panic!("{check:?}: {error}"));
        assert!(output.status.success(), "{check:?}: {output:?}");
    };
    for service in ["orchestrator-1", "orchestrator-2"] {
        let output = deployment.exec(service, &deployment.compose.health_check(service));
        assert!(output.status.success(), "{output:?}");
    }
    let test = deployment.compose.health_check("postgres");
    let mut check = Command::new(&test[0]);
    check.args(&test[1..]).env("PGPORT", servers.database_url.port().unwrap_or(5432).to_string());
    passes(check);
    let test = deployment.compose.health_check("rabbitmq");
    assert_eq!(test[0], "rabbitmq-diagnostics");
    let rabbitmqctl = servers.rabbitmqctl.as_ref().expect("DROVER_TEST_RABBITMQCTL names rabbitmqctl");
    let mut check = Command::new(rabbitmqctl.with_file_name(&test[0]));
    check.args(&test[1..]);
    passes(check);
}

#[tokio::test]
async fn an_orchestrator_that_may_not_migrate_says_who_may() {
    use drover_tests::{Process, fleet::PATIENCE};
    let deployment = Deployment::prepared().await;
    let database = &deployment.fleet.database;
    let owner = database.connect_as("drover_owner", "drover_owner").await.expect("connected");
    owner.batch_execute("DELETE FROM refinery_schema_history WHERE version > 1").await.expect("an older schema");
    let url = database.url_as("drover", "drover").expect("a URL");
    let mut process = Process::spawn("drover-orchestrator", |command| {
        command.arg("migrate").env("DROVER__DATABASE__URL", url.as_str());
    })
    .expect("it starts");
    process.wait_for_line("run `drover-orchestrator migrate` once", PATIENCE).await.expect("it says what to do");
    assert!(!process.wait_for_exit(PATIENCE).await.expect("it ends").success());
}
