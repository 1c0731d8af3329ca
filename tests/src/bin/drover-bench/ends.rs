//! Hears how jobs end, by the notifications for other systems: nothing is polled while something is measured.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context, ensure};
use drover_tests::Vhost;
use futures_util::StreamExt;
use lapin::{
    Connection, ConnectionProperties, Consumer,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::Value;
use tokio::time::timeout;

/// Longest silence that is waited out, and as much again for every so many jobs that may run meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);
const PATIENT_JOBS: u32 = 20_000;

/// A consumer of the notifications.
pub(crate) struct Ends {
    notifications: Consumer,
    patience: Duration,
    _connection: Connection,
}

impl Ends {
    /// Hears of every end from now on.
    pub(crate) async fn listen(vhost: &Vhost) -> anyhow::Result<Self> {
        let connection = Connection::connect(vhost.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
        let (name, exchange) = (queue.name().clone(), "drover.notifications");
        let options = QueueBindOptions::default();
        channel.queue_bind(name.clone(), exchange.into(), "job.#".into(), options, FieldTable::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let notifications = channel.basic_consume(name, "".into(), options, FieldTable::default()).await?;
        Ok(Self { notifications, patience: PATIENCE, _connection: connection })
    }

    /// Waits longer from now on, for workflows of so many jobs.
    pub(crate) fn be_patient(&mut self, jobs: u32) {
        self.patience = PATIENCE * (1 + jobs / PATIENT_JOBS);
    }

    /// Waits until all of these jobs have completed.
    pub(crate) async fn completed(&mut self, ids: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
        self.ended(ids, "completed").await
    }

    /// Waits until all of these jobs have ended, each with this status.
    pub(crate) async fn ended(&mut self, ids: impl IntoIterator<Item = String>, status: &str) -> anyhow::Result<()> {
        let mut open: HashSet<String> = ids.into_iter().collect();
        while !open.is_empty() {
            let data = self.next().await.with_context(|| format!("{} jobs have not ended", open.len()))?;
            if open.remove(data["job_id"].as_str().unwrap_or_default()) {
                ensure!(data["status"] == status, "a job ended otherwise than {status}: {data}");
            }
        }
        Ok(())
    }

    /// Waits until so many jobs of a type have completed.
    pub(crate) async fn many(&mut self, job_type: &str, count: u32) -> anyhow::Result<()> {
        let mut ended = 0;
        while ended < count {
            let data = self.next().await.with_context(|| format!("{ended} of {count} jobs have ended"))?;
            if data["type"] == job_type {
                ensure!(data["status"] == "completed", "a job did not complete: {data}");
                ended += 1;
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> anyhow::Result<Value> {
        let next = timeout(self.patience, self.notifications.next()).await?.context("the broker closed")??;
        let notification: Value = serde_json::from_slice(&next.data)?;
        Ok(notification["data"].clone())
    }
}
