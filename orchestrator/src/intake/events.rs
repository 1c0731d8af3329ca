//! Job events: decoded, folded in one transaction a batch, acknowledged after the commit.

use std::{collections::HashMap, sync::Arc, time::Instant};

use drover_broker::{Deliveries, Delivery};
use drover_engine::Input;
use drover_protocol::{
    JobError, JobEvent, JobEventKind, JobId, MessageType, WorkerSession, decode_one_or_many, message::BadPart,
};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{Bad, Behind, Marker, PREFETCH, Pulse, batch, bury, bury_event, logs, settle, subscribe, until_done};
use crate::{app::App, duty::Pace, store::StoreError};

/// Most jobs of one fold: by them goes what it holds in memory, and for how long others wait for its locks. Deliveries that bring more,
/// as those of a fleet whose orchestrators were away do, are folded in several.
const JOBS: usize = 1_024;

/// Folds the events queue until shutdown.
pub async fn run(app: Arc<App>, behind: Behind, mut pulse: Pulse, pace: Pace, shutdown: CancellationToken) {
    let queue = app.names.events_queue();
    while let Some(mut deliveries) = subscribe(&app, &queue, PREFETCH, &shutdown).await {
        let reading = fold_queue(&app, &queue, &mut deliveries, &behind, pace, &shutdown);
        if pulse.while_heard(reading).await.is_some() {
            return;
        }
        tracing::warn!(
            queue,
            "the database is out of reach: what was taken of the queue goes back, for other replicas"
        );
        drop(deliveries);
        if !pulse.returns(&shutdown).await {
            return;
        }
    }
}

/// Until shutdown, or until the broker is closed.
async fn fold_queue(
    app: &App,
    queue: &str,
    deliveries: &mut Box<dyn Deliveries>,
    behind: &Behind,
    pace: Pace,
    shutdown: &CancellationToken,
) {
    while let Some(taken) = batch(deliveries, behind, shutdown).await {
        let began = Instant::now();
        let read = read(app, &taken);
        app.metrics.batch_events.observe(f64::from(u32::try_from(read.inputs.len()).unwrap_or(u32::MAX)));
        if fold_all(app, read.inputs, shutdown).await.is_none() {
            // Shutdown during an outage: what is not acknowledged is delivered again to whoever is there.
            return;
        }
        if logs::keep(app, &read.logs, shutdown).await.is_none() {
            return;
        }
        if let Some(marker) = read.marker {
            marker.received(app, "events", pace).await;
        }
        let kept = bury(app, queue, &taken, read.bad, shutdown).await;
        settle(&**deliveries, &taken, &kept).await;
        app.metrics.batch_seconds.observe(began.elapsed().as_secs_f64());
    }
}

#[derive(Default)]
struct Read {
    inputs: Vec<Input>,
    logs: Vec<JobEvent>,
    bad: Vec<Bad>,
    marker: Option<Marker>,
}

fn read(app: &App, taken: &[Delivery]) -> Read {
    let mut read = Read::default();
    for (index, delivery) in taken.iter().enumerate() {
        if let Some(marker) = Marker::of(delivery) {
            read.marker = Some(marker);
            continue;
        }
        let kind = delivery.properties.kind.as_deref();
        match decode_one_or_many::<JobEvent>(kind, &delivery.body, app.message_bytes) {
            Ok(parts) => {
                for part in parts {
                    match part {
                        Ok(event) if matches!(event.kind, JobEventKind::Log { .. }) => read.logs.push(event),
                        Ok(event) => read.inputs.push(Input::Event(event)),
                        Err(part) => {
                            read.inputs.extend(failure_of(&part));
                            read.bad.push(Bad { index, reason: part.error.to_string(), body: part.body.into() });
                        }
                    }
                }
            }
            Err(error) => read.bad.push(Bad { index, reason: error.to_string(), body: delivery.body.clone() }),
        }
    }
    read
}

/// What can be read of an event that is no good: enough to say whose it is.
#[derive(Deserialize)]
struct Fence {
    job_id: JobId,
    attempt: u32,
    dispatch: u32,
    worker_session: WorkerSession,
    seq: u64,
    at: chrono::DateTime<chrono::Utc>,
}

/// The job of a bad event fails, with the reason: it would wait for ever for an end that cannot be read.
fn failure_of(part: &BadPart) -> Option<Input> {
    let fence: Fence = serde_json::from_slice(&part.body).ok()?;
    let message = format!("its worker sent an event that cannot be taken: {}", part.error);
    let event = JobEvent {
        job_id: fence.job_id,
        attempt: fence.attempt,
        dispatch: fence.dispatch,
        worker_session: fence.worker_session,
        seq: fence.seq,
        at: fence.at,
        kind: JobEventKind::Failed {
            error: JobError::permanent("invalid_event", message),
            result: None,
            items: Default::default(),
            progress: None,
        },
    };
    // A fence that breaks its own limits names no job.
    event.check().is_ok().then_some(Input::Event(event))
}

/// Folds the inputs of a batch; one that cannot be folded is found by halving and put away alone. `None`: shutdown.
async fn fold_all(app: &App, inputs: Vec<Input>, shutdown: &CancellationToken) -> Option<()> {
    let mut work = parts(inputs, JOBS);
    // The first is folded first.
    work.reverse();
    while let Some(mut inputs) = work.pop() {
        let folded =
            until_done!("folding events", shutdown, inputs.len(), app.store.fold(&app.context, inputs.clone()))?;
        match folded {
            Ok(folded) => app.committed(folded),
            Err(error) if inputs.len() == 1 => culprit(app, inputs.remove(0), &error, shutdown).await?,
            Err(error) => {
                tracing::warn!(%error, count = inputs.len(), "a batch cannot be folded; it is halved");
                let rest = inputs.split_off(inputs.len() / 2);
                // The first half is folded first.
                work.push(rest);
                work.push(inputs);
            }
        }
    }
    Some(())
}

/// Cuts inputs into parts of so many jobs at most. Those of a job stay together and in their order, so that what it reported several times is
/// written once; between jobs there is none.
fn parts(inputs: Vec<Input>, most: usize) -> Vec<Vec<Input>> {
    let mut parts: Vec<Vec<Input>> = Vec::new();
    let mut places = HashMap::new();
    for input in inputs {
        let newest = places.len() / most;
        let place = *places.entry(input.job_id()).or_insert(newest);
        match parts.get_mut(place) {
            Some(part) => part.push(input),
            None => parts.push(vec![input]),
        }
    }
    parts
}

/// An event that breaks the transaction: it goes to the dead letters, and its job fails with the reason.
async fn culprit(app: &App, input: Input, error: &StoreError, shutdown: &CancellationToken) -> Option<()> {
    tracing::error!(%error, job.id = %input.job_id(), "an event cannot be folded");
    let Input::Event(event) = input else { return Some(()) };
    bury_event(app, &app.names.events_queue(), &event, &error.to_string(), shutdown).await?;
    let failed = Input::Undeliverable {
        job_id: event.job_id,
        dispatch: event.dispatch,
        error: JobError::permanent(
            "invalid_event",
            format!("its {} event cannot be taken: {error}", event.kind.name()),
        ),
    };
    let outcome = until_done!("failing a job", shutdown, app.store.fold(&app.context, vec![failed.clone()]))?;
    match outcome {
        Ok(folded) => app.committed(folded),
        Err(error) => tracing::error!(%error, job.id = %event.job_id, "the job cannot be failed either"),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::atomic::{AtomicBool, Ordering},
    };

    use async_trait::async_trait;
    use drover_broker::{BrokerError, Properties, Settle, Settler, Tag};
    use drover_protocol::{MessageType, encode};
    use drover_tests::wait::{self, Seen};

    use super::*;
    use crate::testing::Desk;

    /// A queue with what it is given, then closed. It knows whether anything was settled.
    struct Queue {
        waiting: VecDeque<Delivery>,
        settled: Arc<AtomicBool>,
    }

    #[async_trait]
    impl Deliveries for Queue {
        async fn next(&mut self) -> Option<Delivery> {
            self.waiting.pop_front()
        }

        fn try_next(&mut self) -> Option<Delivery> {
            self.waiting.pop_front()
        }

        async fn settle(&self, _: Tag, _: Settle) -> bool {
            self.settled.store(true, Ordering::SeqCst);
            true
        }

        async fn ack_through(&self, tag: Tag) -> bool {
            self.settle(tag, Settle::Ack).await
        }

        fn settler(&self) -> Box<dyn Settler> {
            unreachable!("a batch is settled by its own loop")
        }

        async fn pause(&mut self) -> Result<(), BrokerError> {
            Ok(())
        }

        async fn resume(&mut self) -> Result<(), BrokerError> {
            Ok(())
        }
    }

    fn delivery(event: &JobEvent) -> Delivery {
        Delivery {
            tag: Tag { session: 1, number: event.seq },
            body: encode(event, 10_000).expect("it fits").into(),
            properties: Properties { kind: Some(JobEvent::type_property()), ..Properties::default() },
            exchange: String::new(),
            routing_key: String::new(),
            redelivered: false,
        }
    }

    #[tokio::test]
    async fn nothing_is_acknowledged_before_it_is_committed() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let id = desk.submit("work").await;
        let mut other = desk.database.connect().await.expect("a connection");
        let lock = other.transaction().await.expect("begun");
        lock.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", &[&id.0]).await.expect("locked");

        let settled = Arc::new(AtomicBool::new(false));
        let waiting = [delivery(&desk.event(id, JobEventKind::Started))].into();
        let mut queue: Box<dyn Deliveries> = Box::new(Queue { waiting, settled: Arc::clone(&settled) });
        let app = Arc::clone(&desk.app);
        let intake = tokio::spawn(async move {
            let pace = Pace { lease: std::time::Duration::from_secs(15) };
            fold_queue(&app, "q", &mut queue, &Behind::default(), pace, &CancellationToken::new()).await;
        });
        let watch = desk.database.connect().await.expect("a connection");
        let held_up =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        wait::until("the fold to wait for its root", std::time::Duration::from_secs(10), async || {
            let waiting: i64 = watch.query_one(held_up, &[]).await?.get(0);
            Ok(if waiting > 0 { Seen::Yes(()) } else { Seen::not_yet("nobody waits") })
        })
        .await
        .expect("it waits");
        assert!(!settled.load(Ordering::SeqCst), "acknowledged, and not folded");
        lock.commit().await.expect("let go");
        intake.await.expect("the queue is closed");
        assert!(settled.load(Ordering::SeqCst));
        let job = desk.app.store.view_job(id, false).await.expect("read").expect("it is there");
        assert_eq!(job.view["status"], "running");
    }

    #[tokio::test]
    async fn a_batch_ends_at_its_bytes() {
        let large = |seq| Delivery {
            tag: Tag { session: 1, number: seq },
            body: vec![b' '; 3 << 20].into(),
            properties: Properties::default(),
            exchange: String::new(),
            routing_key: String::new(),
            redelivered: false,
        };
        let waiting = (1..=5).map(large).collect();
        let mut queue: Box<dyn Deliveries> = Box::new(Queue { waiting, settled: Arc::default() });
        let mut sizes = Vec::new();
        while let Some(taken) = batch(&mut queue, &Behind::default(), &CancellationToken::new()).await {
            sizes.push(taken.len());
        }
        assert_eq!(sizes, [2, 2, 1]);
    }

    #[test]
    fn a_fold_has_so_many_jobs_at_most_and_all_of_each_in_its_order() {
        let ids: Vec<JobId> = (0..4).map(|_| JobId(uuid::Uuid::now_v7())).collect();
        let input = |job: usize, dispatch| Input::Republish { job_id: ids[job], dispatch };
        let all = [(0, 1), (1, 2), (0, 3), (2, 4), (0, 5), (2, 6), (3, 7)];
        let cut = parts(all.iter().map(|(job, number)| input(*job, *number)).collect(), 2);
        let expected = [&[(0, 1), (1, 2), (0, 3), (0, 5)][..], &[(2, 4), (2, 6), (3, 7)]];
        let expected: Vec<Vec<Input>> =
            expected.iter().map(|part| part.iter().map(|(job, number)| input(*job, *number)).collect()).collect();
        assert_eq!(format!("{cut:?}"), format!("{expected:?}"));
        assert!(parts(Vec::new(), 2).is_empty());
    }

    #[tokio::test]
    async fn what_takes_too_long_together_is_folded_apart() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let (mut jobs, mut inputs) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let id = desk.submit("work").await;
            jobs.push(id);
            inputs.push(Input::Event(desk.event(id, JobEventKind::Started)));
        }
        desk.slow_above(1).await;
        fold_all(&desk.app, inputs, &CancellationToken::new()).await.expect("no shutdown");
        for id in jobs {
            let job = desk.app.store.view_job(id, false).await.expect("read").expect("it is there");
            assert_eq!(job.view["status"], "running");
        }
    }
}
