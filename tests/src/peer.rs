//! Another system: a plain AMQP client that knows nothing of Drover's code.

use std::{process::Command, time::Duration};

use anyhow::Context;
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::Value;

use crate::Vhost;

const PATIENCE: Duration = Duration::from_secs(60);

/// A `python3` that can speak AMQP.
///
/// # Panics
/// When there is none, with what installs it.
#[must_use]
pub fn python_with_pika() -> &'static str {
    let has_pika = |python: &&str| {
        Command::new(python).args(["-c", "import pika"]).output().is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_pika);
    found.expect("a python3 with pika (Debian: apt-get install python3-pika; scripts/test does it)")
}

/// A connection of another system.
pub struct Peer {
    channel: Channel,
    replies: tokio::sync::Mutex<lapin::Consumer>,
    reply_queue: String,
    _connection: Connection,
}

impl Vhost {
    /// Connects as another system would.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn peer(&self) -> anyhow::Result<Peer> {
        Peer::connect(self.url()).await
    }
}

impl Peer {
    /// Connects to any broker.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
        let reply_queue = queue.name().to_string();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let replies =
            channel.basic_consume(reply_queue.as_str().into(), "".into(), options, FieldTable::default()).await?;
        Ok(Self { channel, replies: replies.into(), reply_queue, _connection: connection })
    }
}

impl Vhost {
    /// A bare connection as a user of the vhost's definitions.
    ///
    /// # Errors
    /// When the broker refuses it.
    pub async fn connect_as(&self, user: &str, password: &str) -> anyhow::Result<Connection> {
        let url = self.url_as(user, password)?;
        Ok(Connection::connect(url.as_str(), ConnectionProperties::default()).await?)
    }
}

impl Peer {
    /// Publishes a message and waits for the confirm.
    ///
    /// # Errors
    /// When it is not confirmed.
    pub async fn publish(&self, exchange: &str, key: &str, kind: &str, body: &[u8]) -> anyhow::Result<()> {
        let properties = BasicProperties::default().with_type(kind.into()).with_content_type("application/json".into());
        self.send(exchange, key, properties, body).await
    }

    /// Publishes a message with these properties and waits for the confirm.
    ///
    /// # Errors
    /// When it is not confirmed.
    pub async fn send(
        &self,
        exchange: &str,
        key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> anyhow::Result<()> {
        let options = BasicPublishOptions::default();
        let confirm = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await?.await?;
        anyhow::ensure!(!confirm.is_nack(), "the broker refused the message");
        Ok(())
    }

    /// Submits a job and waits for the answer.
    ///
    /// # Errors
    /// When there is no answer in time, or not to this submission.
    pub async fn submit(&self, message_id: &str, submission: &Value) -> anyhow::Result<Value> {
        let properties = BasicProperties::default()
            .with_message_id(message_id.into())
            .with_app_id("another system".into())
            .with_type("drover.submission.v1".into())
            .with_reply_to(self.reply_queue.as_str().into());
        let mut replies = self.replies.lock().await;
        self.send("", "drover.submit", properties, submission.to_string().as_bytes()).await?;
        let reply = tokio::time::timeout(PATIENCE, replies.next()).await.context("no answer in time")?;
        let reply = reply.context("the reply queue is gone")??;
        let answered = reply.properties.correlation_id().as_ref().map(ToString::to_string);
        anyhow::ensure!(answered.as_deref() == Some(message_id), "an answer to {answered:?}");
        Ok(serde_json::from_slice(&reply.data)?)
    }
}
