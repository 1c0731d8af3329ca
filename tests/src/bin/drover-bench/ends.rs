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

/// Longest silence that is waited out.
const PATIENCE: Duration = Duration::from_secs(120);

/// A consumer of the notifications.
pub(crate) struct Ends {
    notifications: Consumer,
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
        Ok(Self { notifications, _connection: connection })
    }

    /// Waits until all of these jobs have completed.
    pub(crate) async fn completed(&mut self, ids: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
        let mut open: HashSet<String> = ids.into_iter().collect();
        while !open.is_empty() {
            let waiting = || format!("{} jobs have not ended", open.len());
            let next = timeout(PATIENCE, self.notifications.next()).await.with_context(waiting)?;
            let notification: Value = serde_json::from_slice(&next.context("the broker closed")??.data)?;
            let data = &notification["data"];
            ensure!(data["status"] == "completed", "a job did not complete: {data}");
            open.remove(data["job_id"].as_str().unwrap_or_default());
        }
        Ok(())
    }
}
