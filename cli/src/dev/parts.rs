//! The worker of the system, and how to tell that all is there.

use std::{io, time::Duration};

use drover_import_worker::roots::Roots;
use drover_service::{
    retry::Backoff,
    telemetry::{Traces, TracesError},
};
use drover_worker::{Worker, WorkerConfig};
use serde_json::Value;
use tokio::{
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

use super::{DevError, READY_WITHIN};
use crate::{api::Answer, client::Client, failure::Failure};

/// A handler's thread that blocks for ever must not keep the process.
const LEAVE_HANDLERS: Duration = Duration::from_secs(1);
/// Pauses between two looks for the worker.
const LOOKS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

/// The threads that jobs run on, apart from those of the system.
pub(super) struct Handlers(Option<Runtime>);

impl Handlers {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Some(Builder::new_multi_thread().thread_name("drover-jobs").enable_all().build()?)))
    }

    pub(super) async fn stop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // A panic in there would be the runtime's own.
            let _ = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LEAVE_HANDLERS)).await;
        }
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        // A runtime must not be dropped among tasks.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Where the spans of the import worker go.
pub(super) fn traces(config: &WorkerConfig) -> Result<Traces, TracesError> {
    Traces::start(&config.telemetry, "drover-import-worker", env!("CARGO_PKG_VERSION"))
}

/// The import worker.
pub(super) fn worker(
    config: &WorkerConfig,
    prefix: &str,
    handlers: &Handlers,
    traces: Traces,
) -> Result<Worker, DevError> {
    let mut builder =
        drover_import_worker::worker(&Roots::from_env()?).settings(config.worker.clone()).prefix(prefix).traces(traces);
    if let Some(runtime) = &handlers.0 {
        builder = builder.handlers(runtime.handle().clone());
    }
    Ok(builder.build()?)
}

/// Registers the workflows, and waits until a worker is entered.
pub(super) async fn ready(client: &Client, workflows: &[(&str, &str)]) -> Result<(), Failure> {
    let steps = async {
        for (name, text) in workflows {
            let query = [("source", (*name).to_owned())];
            let _: Answer<Value> = client.put("/definitions", &query, "application/yaml", (*text).to_owned()).await?;
        }
        let mut backoff = Backoff::new(LOOKS.0, LOOKS.1);
        while !has_live_worker(&client.get::<Value>("/workers", &[]).await?.raw) {
            sleep(backoff.next()).await;
        }
        Ok(())
    };
    let late = || Failure::Start(format!("the system was not ready within {} s", READY_WITHIN.as_secs()));
    timeout(READY_WITHIN, steps).await.unwrap_or_else(|_| Err(late()))
}

fn has_live_worker(answer: &Value) -> bool {
    let workers = answer["workers"].as_array();
    workers.is_some_and(|workers| workers.iter().any(|worker| worker["status"] == "live"))
}
