//! Submissions that are accepted and not executed: the type is known and its worker is gone. An accepted job is durable,
//! and its message goes to its queue as it would with a worker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use futures_util::{StreamExt, future::try_join_all};
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{arguments::Counts, figures::Figures, system::System, time::per_second};

/// Connections that are kept alive, each with one request at a time.
const CONNECTIONS: u32 = 32;
const PATIENCE: Duration = Duration::from_secs(60);

/// Accepted per second over HTTP.
pub(crate) async fn by_http(system: &System, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let submission = json!({ "type": "noop", "params": {} });
    post(system.fleet.url(), &submission, CONNECTIONS).await?;
    let start = Instant::now();
    post(system.fleet.url(), &submission, counts.submissions).await?;
    figures.add("submit_http_per_second", per_second(counts.submissions, start.elapsed()));
    Ok(())
}

/// Submits so many times over HTTP. The ids.
pub(crate) async fn post(url: &str, submission: &Value, count: u32) -> anyhow::Result<Vec<String>> {
    let client = Client::builder().no_proxy().pool_max_idle_per_host(usize::try_from(CONNECTIONS)?).build()?;
    let (url, body) = (format!("{url}/api/v1/jobs"), submission.to_string());
    let taken = Arc::new(AtomicU32::new(0));
    let connections = (0..CONNECTIONS.min(count)).map(|_| {
        let (client, url, body, taken) = (client.clone(), url.clone(), body.clone(), Arc::clone(&taken));
        tokio::spawn(async move {
            let mut ids = Vec::new();
            while taken.fetch_add(1, Ordering::Relaxed) < count {
                ids.push(post_once(&client, &url, &body).await?);
            }
            anyhow::Ok(ids)
        })
    });
    let ids: Vec<Vec<String>> =
        try_join_all(connections.collect::<Vec<_>>()).await?.into_iter().collect::<anyhow::Result<_>>()?;
    Ok(ids.concat())
}

async fn post_once(client: &Client, url: &str, body: &str) -> anyhow::Result<String> {
    let request = client.post(url).header("content-type", "application/json").body(body.to_owned());
    let response = request.send().await?;
    let status = response.status();
    let answer: Value = serde_json::from_slice(&response.bytes().await?)?;
    match answer["id"].as_str() {
        Some(id) if status == reqwest::StatusCode::CREATED => Ok(id.to_owned()),
        _ => bail!("{status}: {answer}"),
    }
}

/// Accepted per second over AMQP, from the first publish to the last answer.
pub(crate) async fn by_amqp(system: &System, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let connection = Connection::connect(system.fleet.vhost.url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().clone();
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut answers = channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?;

    let body = json!({ "type": "noop", "params": {} }).to_string();
    let start = Instant::now();
    let publish = async {
        let mut confirms = Vec::new();
        for number in 0..counts.submissions {
            let properties = BasicProperties::default()
                .with_message_id(format!("submission {number}").into())
                .with_app_id("drover-bench".into())
                .with_type("drover.submission.v1".into())
                .with_delivery_mode(2)
                .with_reply_to(queue.clone());
            let options = BasicPublishOptions::default();
            confirms.push(
                channel.basic_publish("".into(), "drover.submit".into(), options, body.as_bytes(), properties).await?,
            );
        }
        for confirm in confirms {
            ensure!(confirm.await?.is_ack(), "a submission was refused by the broker");
        }
        anyhow::Ok(())
    };
    let answered = async {
        for number in 0..counts.submissions {
            let waiting = || format!("{number} of {} submissions were answered", counts.submissions);
            let answer =
                timeout(PATIENCE, answers.next()).await.with_context(waiting)?.context("the broker closed")??;
            let answer: Value = serde_json::from_slice(&answer.data)?;
            ensure!(answer["status"] == "accepted" || answer["id"].is_string(), "refused: {answer}");
        }
        anyhow::Ok(start.elapsed())
    };
    let (published, answered) = tokio::join!(publish, answered);
    published?;
    figures.add("submit_amqp_per_second", per_second(counts.submissions, answered?));
    Ok(())
}
