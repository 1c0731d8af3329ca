//! The users: they submit all the time, cancel at a random moment, and retry what did not complete.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use chrono::{TimeDelta, Utc};
use drover_simulation::Rng;
use drover_tests::Peer;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use uuid::Uuid;

use crate::{
    api::{Api, Insisted},
    settings::{OPEN, REQUEST, SUBMISSIONS_APART},
    shapes::{Catalogue, Destiny, Order, Way},
    watch::{GLANCE, Watch},
};

/// How long a user insists.
const PATIENCE: Duration = Duration::from_secs(180);

/// What users counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) workflows: u64,
    pub(crate) jobs: u64,
    pub(crate) cancels: u64,
    pub(crate) retries: u64,
    pub(crate) pauses: u64,
    /// What users were not served with for as long as they insist, or answered in a way that none of them expects.
    pub(crate) unserved: Vec<String>,
}

/// Where users turn to.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) api: Arc<Api>,
    pub(crate) watch: Watch,
    pub(crate) amqp_url: String,
}

/// Registers the definitions.
pub(crate) async fn register(desk: &Desk, catalogue: &Catalogue) -> anyhow::Result<()> {
    for definition in &catalogue.definitions {
        // JSON is YAML.
        let path = "/api/v1/definitions";
        let Insisted { status, answer, .. } = desk.api.insist(Method::PUT, path, Some(definition), PATIENCE).await?;
        ensure!(status.is_success(), "{status} {answer}: {definition}");
    }
    Ok(())
}

/// Submits until it is over, and lets each order meet its destiny. Returns when all that was begun is answered.
pub(crate) async fn run(
    desk: Desk,
    catalogue: Catalogue,
    mut rng: Rng,
    over: watch::Receiver<bool>,
) -> anyhow::Result<Counted> {
    let mut counted = Counted::default();
    let mut under_way: JoinSet<anyhow::Result<Counted>> = JoinSet::new();
    let mut next = Instant::now();
    for number in 0.. {
        let apart = u64::try_from(SUBMISSIONS_APART.as_millis()).unwrap_or(0);
        next += Duration::from_millis(rng.below(2 * apart));
        sleep_until(next).await;
        loop {
            while let Some(done) = under_way.try_join_next() {
                counted.meet(done?);
            }
            if desk.watch.open() + under_way.len() / 4 <= OPEN || *over.borrow() {
                break;
            }
            sleep(GLANCE).await;
        }
        if *over.borrow() {
            break;
        }
        let order = catalogue.order(number, &mut rng);
        under_way.spawn(meet(desk.clone(), order, over.clone()));
    }
    while let Some(done) = under_way.join_next().await {
        counted.meet(done?);
    }
    Ok(counted)
}

impl Counted {
    /// One user was not served; the others go on.
    fn meet(&mut self, met: anyhow::Result<Self>) {
        match met {
            Ok(other) => self.add(other),
            Err(error) => {
                eprintln!("chaos: not served: {error:#}");
                self.unserved.push(format!("{error:#}"));
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.workflows += other.workflows;
        self.jobs += other.jobs;
        self.cancels += other.cancels;
        self.retries += other.retries;
        self.pauses += other.pauses;
        self.unserved.extend(other.unserved);
    }
}

/// One order from its submission to what its user does last.
async fn meet(desk: Desk, order: Order, over: watch::Receiver<bool>) -> anyhow::Result<Counted> {
    let submission = submission(&order);
    let job = submit(&desk, &order, &submission).await.with_context(|| order.key.clone())?;
    desk.watch.accepted(job, &order.key);
    if order.twice {
        let again = submit(&desk, &order, &submission).await.with_context(|| order.key.clone())?;
        desk.watch.repeated(job, again);
    }
    let workflow = u64::from(order.job_type != "work");
    let mut counted = Counted { workflows: workflow, jobs: 1 - workflow, ..Counted::default() };
    match order.destiny {
        Destiny::Own => {}
        Destiny::Cancel { after_ms, now } => counted.cancels += cancel(&desk, job, after_ms, now, over).await?,
        Destiny::Retry { from_start } => counted.retries += retry(&desk, job, from_start, over).await?,
        Destiny::CancelAndRetry { after_ms } => {
            counted.cancels += cancel(&desk, job, after_ms, false, over.clone()).await?;
            counted.retries += retry(&desk, job, false, over).await?;
        }
        Destiny::Pause { after_ms, for_ms } => counted.pauses += pause(&desk, job, after_ms, for_ms, over).await?,
    }
    Ok(counted)
}

fn submission(order: &Order) -> Value {
    let mut submission = json!({
        "type": order.job_type, "params": {}, "labels": { "chaos": order.key }, "idempotency_key": order.key,
    });
    if let Some(later) = order.later_ms.and_then(|later_ms| i64::try_from(later_ms).ok()) {
        submission["run_at"] = (Utc::now() + TimeDelta::milliseconds(later)).to_rfc3339().into();
    }
    submission
}

/// Submits until it is accepted.
async fn submit(desk: &Desk, order: &Order, submission: &Value) -> anyhow::Result<Uuid> {
    let answer = match order.way {
        Way::Http => {
            let insisted = desk.api.insist(Method::POST, "/api/v1/jobs", Some(submission), PATIENCE).await?;
            let Insisted { status, answer, .. } = insisted;
            ensure!(matches!(status, StatusCode::CREATED | StatusCode::OK), "{status} {answer}");
            answer
        }
        Way::Amqp => by_amqp(desk, &order.key, submission).await?,
    };
    let id = answer["id"].as_str().with_context(|| format!("refused: {answer}"))?;
    Ok(id.parse()?)
}

/// Publishes until there is an answer: a broker that was emptied has lost the question, or the answer.
async fn by_amqp(desk: &Desk, key: &str, submission: &Value) -> anyhow::Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tried = timeout(REQUEST, async {
            let peer = Peer::connect(&desk.amqp_url).await?;
            peer.submit(key, submission).await
        });
        let outcome = tried.await.context("no answer").flatten();
        match outcome {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => sleep(GLANCE).await,
        }
    }
}

/// Cancels after a while. How many cancels were taken.
async fn cancel(
    desk: &Desk,
    job: Uuid,
    after_ms: u64,
    now: bool,
    mut over: watch::Receiver<bool>,
) -> anyhow::Result<u64> {
    if !waited(after_ms, &mut over).await {
        return Ok(0);
    }
    act(desk, job, &format!("cancel?now={now}")).await
}

/// Pauses after a while, and resumes after another. How many pauses were taken.
async fn pause(
    desk: &Desk,
    job: Uuid,
    after_ms: u64,
    for_ms: u64,
    mut over: watch::Receiver<bool>,
) -> anyhow::Result<u64> {
    if !waited(after_ms, &mut over).await {
        return Ok(0);
    }
    let paused = act(desk, job, "pause").await?;
    // Whatever came of it, and when all is over: it is to go on.
    waited(for_ms, &mut over).await;
    act(desk, job, "resume").await?;
    Ok(paused)
}

/// Waits for so long. `false`: all was over before.
async fn waited(millis: u64, over: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = sleep(Duration::from_millis(millis)) => true,
        _ = over.wait_for(|over| *over) => false,
    }
}

/// Asks for something to be done with a job. 1 if it was, 0 if the job's state did not allow it.
async fn act(desk: &Desk, job: Uuid, what: &str) -> anyhow::Result<u64> {
    let path = format!("/api/v1/jobs/{job}/{what}");
    let Insisted { status, answer, .. } = desk.api.insist(Method::POST, &path, None, PATIENCE).await?;
    ensure!(matches!(status, StatusCode::ACCEPTED | StatusCode::CONFLICT), "{path}: {status} {answer}");
    Ok(u64::from(status == StatusCode::ACCEPTED))
}

/// Resumes what a request of the time of the faults paused after its user had resumed it.
pub(crate) async fn resume_all(desk: &Desk, paused: Vec<Uuid>) -> anyhow::Result<()> {
    for job in paused {
        act(desk, job, "resume").await?;
    }
    Ok(())
}

/// Retries when it has ended otherwise than completed. How many retries were taken.
async fn retry(desk: &Desk, job: Uuid, from_start: bool, over: watch::Receiver<bool>) -> anyhow::Result<u64> {
    let end = loop {
        match desk.watch.end(job) {
            Some(end) => break end,
            None if *over.borrow() => return Ok(0),
            None => sleep(GLANCE).await,
        }
    };
    if end == "completed" {
        return Ok(0);
    }
    desk.watch.retrying(job);
    let path = format!("/api/v1/jobs/{job}/retry?from={}", if from_start { "start" } else { "failed" });
    let Insisted { status, answer, unanswered } = desk.api.insist(Method::POST, &path, None, PATIENCE).await?;
    desk.watch.retried(job, unanswered);
    // A try without an answer may have been done: then it runs, and cannot be retried.
    ensure!(matches!(status, StatusCode::ACCEPTED | StatusCode::CONFLICT), "{path}: {status} {answer}");
    Ok(u64::from(status == StatusCode::ACCEPTED))
}
