//! Configuration that is no good is a start-up error that names the key.

use drover_tests::{Process, fleet::PATIENCE, free_port};

/// Starts a program with one setting and gives what it says before it ends.
async fn start_up_error(program: &str, name: &str, value: &str) -> String {
    let port = free_port().expect("a port");
    let mut process = Process::spawn(program, |command| {
        command.env("DROVER__HTTP__LISTEN", format!("127.0.0.1:{port}")).env(name, value);
    })
    .expect("it starts");
    assert!(!process.wait_for_exit(PATIENCE).await.expect("it ends").success(), "{name}={value}");
    process.log()
}

#[tokio::test]
async fn a_bad_config_value_is_a_start_up_error_that_names_the_key() {
    let (orchestrator, worker) = ("drover-orchestrator", "drover-test-worker");
    let cases = [
        (orchestrator, "DROVER__ORCHESTRATOR__LEASE_SECONDS", "0.5", "orchestrator.lease_seconds"),
        (orchestrator, "DROVER__ORCHESTRATOR__LEASE_SECONDS", "soon", "orchestrator.lease_seconds"),
        (orchestrator, "DROVER__HTTP__LISTEN", "everywhere", "http.listen"),
        (orchestrator, "DROVER__HTTP__LISTEN", "0.0.0.0:1", "set http.auth = \"tokens\""),
        (orchestrator, "DROVER__HTTP__AUTH", "maybe", "http.auth"),
        (orchestrator, "DROVER__HTTP__LISTN", "127.0.0.1:1", "listn"),
        (orchestrator, "DROVER__DATABASE__URL", "no address", "database.url"),
        (orchestrator, "DROVER__AMQP__URL", "http://localhost", "amqp.url"),
        (worker, "DROVER__WORKER__CONCURRENCY", "many", "worker.concurrency"),
        (worker, "DROVER__WORKER__MESSAGE_BYTES", "1", "worker.message_bytes"),
        (worker, "DROVER__WORKER__CONCURENCY", "4", "concurency"),
        (worker, "DROVER__AMQP__URL", "http://localhost", "amqp.url"),
    ];
    for (program, name, value, key) in cases {
        let said = start_up_error(program, name, value).await;
        assert!(said.contains(key), "{program} {name}={value}: {said}");
    }
}
