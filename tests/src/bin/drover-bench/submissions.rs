//! Submissions that are accepted and not executed: the type is known and its worker is gone. An accepted job is durable,
//! and its message goes to its queue as it would with a worker.

use std::{
    collections::HashMap,
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
use tokio::{sync::Mutex, time::timeout};

use crate::{
    counts::Counts,
    figures::Figures,
    system::System,
    time::{ms, per_second, percentile},
};

/// Connections that are kept alive, each with one request at a time.
const CONNECTIONS: u32 = 32;
const PATIENCE: Duration = Duration::from_secs(60);

/// Accepted per second over HTTP, and how long an answer takes at half of that.
pub(crate) async fn by_http(system: &System, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let submission = json!({ "type": "noop", "params": {} });
    post(system.fleet.url(), &submission, CONNECTIONS).await?;
    let cost = system.begin().await?;
    let start = Instant::now();
    post(system.fleet.url(), &submission, counts.submissions).await?;
    let rate = per_second(counts.submissions, start.elapsed());
    figures.add("submit_http_per_second", rate);
    system.end(cost, figures, "submit_http", counts.submissions).await?;
    let mut times = post_at(system.fleet.url(), &submission, counts.submissions, Some(rate / 2.0)).await?.times_ms;
    figures.add("submit_http_half_rate_ms_p50", percentile(&mut times, 50));
    figures.add("submit_http_half_rate_ms_p99", percentile(&mut times, 99));
    Ok(())
}

/// What was answered.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) ids: Vec<String>,
    /// From when each was due, or sent where no rate was asked for, to its answer. So a stall is counted by all that it kept
    /// waiting.
    pub(crate) times_ms: Vec<f64>,
}

/// Submits so many times over HTTP, as fast as it goes. The ids.
pub(crate) async fn post(url: &str, submission: &Value, count: u32) -> anyhow::Result<Vec<String>> {
    Ok(post_at(url, submission, count, None).await?.ids)
}

/// Submits so many times over HTTP, at this rate per second if one is given.
pub(crate) async fn post_at(url: &str, submission: &Value, count: u32, rate: Option<f64>) -> anyhow::Result<Answers> {
    let client = Client::builder().no_proxy().pool_max_idle_per_host(usize::try_from(CONNECTIONS)?).build()?;
    let (url, body) = (format!("{url}/api/v1/jobs"), submission.to_string());
    let (taken, schedule) = (Arc::new(AtomicU32::new(0)), Schedule::new(rate));
    let connections = (0..CONNECTIONS.min(count)).map(|_| {
        let (client, url, body, taken) = (client.clone(), url.clone(), body.clone(), Arc::clone(&taken));
        tokio::spawn(async move {
            let mut answers = Answers::default();
            loop {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(answers);
                }
                let due = schedule.due(number).await;
                answers.ids.push(post_once(&client, &url, &body).await?);
                answers.times_ms.push(ms(due.elapsed()));
            }
        })
    });
    let mut all = Answers::default();
    for answers in try_join_all(connections.collect::<Vec<_>>()).await? {
        let Answers { ids, times_ms } = answers?;
        all.ids.extend(ids);
        all.times_ms.extend(times_ms);
    }
    Ok(all)
}

/// When each of many is due.
#[derive(Clone, Copy)]
struct Schedule {
    start: Instant,
    rate: Option<f64>,
}

impl Schedule {
    fn new(rate: Option<f64>) -> Self {
        Self { start: Instant::now(), rate }
    }

    /// Waits until it is, and tells since when; at once where there is no rate.
    async fn due(self, number: u32) -> Instant {
        let Some(rate) = self.rate else { return Instant::now() };
        let due = self.start + Duration::from_secs_f64(f64::from(number) / rate);
        tokio::time::sleep_until(due.into()).await;
        due
    }
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

/// Submissions a second that are wanted over AMQP.
const WANTED: f64 = 3_000.0;

/// Accepted per second over AMQP, from the first publish to the last answer, and how long an answer takes at half of that.
pub(crate) async fn by_amqp(system: &System, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let submission = json!({ "type": "noop", "params": {} });
    let cost = system.begin().await?;
    let start = Instant::now();
    send(system, &submission, counts.submissions, None).await?;
    let rate = per_second(counts.submissions, start.elapsed());
    figures.add("submit_amqp_per_second", rate);
    system.end(cost, figures, "submit_amqp", counts.submissions).await?;
    let mut times = send(system, &submission, counts.submissions, Some(rate / 2.0)).await?;
    figures.add("submit_amqp_half_rate_ms_p50", percentile(&mut times, 50));
    figures.add("submit_amqp_half_rate_ms_p99", percentile(&mut times, 99));
    let mut times = send(system, &submission, counts.submissions, Some(WANTED / 2.0)).await?;
    figures.add("submit_amqp_half_of_wanted_ms_p99", percentile(&mut times, 99));
    Ok(())
}

/// Submits so many times over AMQP, at this rate per second if one is given, and waits for all answers. How long each took,
/// in milliseconds from when it was due.
pub(crate) async fn send(
    system: &System,
    submission: &Value,
    count: u32,
    rate: Option<f64>,
) -> anyhow::Result<Vec<f64>> {
    let connection = Connection::connect(system.fleet.vhost.url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().clone();
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut answers = channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?;

    // Each call's keys are its own.
    let (sender, body, schedule) = (uuid::Uuid::new_v4().to_string(), submission.to_string(), Schedule::new(rate));
    let due_at = Mutex::new(HashMap::new());
    let publish = async {
        let mut confirms = Vec::new();
        for number in 0..count {
            let due = schedule.due(number).await;
            due_at.lock().await.insert(number.to_string(), due);
            let properties = BasicProperties::default()
                .with_message_id(number.to_string().into())
                .with_app_id(sender.as_str().into())
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
        let mut times_ms = Vec::new();
        while times_ms.len() < usize::try_from(count)? {
            let waiting = || format!("{} of {count} submissions were answered", times_ms.len());
            let answer =
                timeout(PATIENCE, answers.next()).await.with_context(waiting)?.context("the broker closed")??;
            let body: Value = serde_json::from_slice(&answer.data)?;
            ensure!(body["id"].is_string(), "refused: {body}");
            let number = answer.properties.correlation_id().as_ref().map(ToString::to_string).unwrap_or_default();
            let due = due_at.lock().await.remove(&number);
            times_ms.push(ms(due.with_context(|| format!("an answer to {number:?}, which was not asked"))?.elapsed()));
        }
        anyhow::Ok(times_ms)
    };
    let (published, answered) = tokio::join!(publish, answered);
    published?;
    answered
}
