//! The workers of the system: each with a connection and traces of its own, their jobs on the same threads.

use std::{io, sync::Arc, time::Duration};

use drover_broker::Broker;
use drover_service::telemetry::Traces;
use drover_worker::{WorkerBuilder, WorkerConfig};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::DevError;

/// A handler's thread that blocks for ever must not keep the process.
const LEAVE_HANDLERS: Duration = Duration::from_secs(1);

/// What takes jobs.
pub(super) struct Crew {
    config: WorkerConfig,
    prefix: String,
    handlers: Handlers,
    workers: JoinSet<&'static str>,
    names: Vec<&'static str>,
    concurrency: u32,
    traces: Vec<Traces>,
    stop: CancellationToken,
}

impl Crew {
    /// Nobody yet.
    pub(super) fn new(config: WorkerConfig, prefix: &str) -> Result<Self, DevError> {
        Ok(Self {
            config,
            prefix: prefix.to_owned(),
            handlers: Handlers::new().map_err(DevError::Threads)?,
            workers: JoinSet::new(),
            names: Vec::new(),
            concurrency: 0,
            traces: Vec::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Starts a worker.
    pub(super) fn add(
        &mut self,
        name: &'static str,
        builder: WorkerBuilder,
        broker: Arc<dyn Broker>,
    ) -> Result<(), DevError> {
        let traces = Traces::start(&self.config.telemetry, name, env!("CARGO_PKG_VERSION"))?;
        let mut builder =
            builder.settings(self.config.worker.clone()).prefix(self.prefix.clone()).traces(traces.clone());
        if let Some(runtime) = &self.handlers.0 {
            builder = builder.handlers(runtime.handle().clone());
        }
        let worker = builder.build()?;
        self.concurrency = worker.concurrency();
        let until = self.stop.clone();
        self.workers.spawn(async move {
            worker.run(Arc::clone(&broker), until).await;
            broker.close().await;
            name
        });
        self.names.push(name);
        self.traces.push(traces);
        Ok(())
    }

    /// What the workers are called.
    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Jobs that each runs at once.
    pub(super) const fn concurrency(&self) -> u32 {
        self.concurrency
    }

    /// Waits until one has ended. Its name.
    pub(super) async fn ended(&mut self) -> &'static str {
        match self.workers.join_next().await {
            Some(Ok(name)) => name,
            // A panic, which the log tells.
            Some(Err(_)) => "a worker",
            None => std::future::pending().await,
        }
    }

    /// Lets all end what they are at.
    pub(super) async fn stop(&mut self) {
        self.stop.cancel();
        // What they say is in the log.
        while self.workers.join_next().await.is_some() {}
        self.handlers.stop().await;
        for traces in &self.traces {
            traces.shutdown().await;
        }
    }
}

/// The threads that jobs run on, apart from those of the system.
struct Handlers(Option<Runtime>);

impl Handlers {
    fn new() -> io::Result<Self> {
        Ok(Self(Some(Builder::new_multi_thread().thread_name("drover-jobs").enable_all().build()?)))
    }

    async fn stop(&mut self) {
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
