//! Worker events: arrivals are answered with what must not be started, heartbeats renew leases.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use drover_broker::{Deliveries, Delivery, Publication, Topology};
use drover_protocol::{Control, JobType, RunningJob, WorkerEvent, WorkerEventKind, WorkerSession, decode, encode};
use tokio_util::sync::CancellationToken;

use super::{Bad, Behind, Marker, PREFETCH, Pulse, batch, briefing, bury, settle, subscribe, until_done};
use crate::{
    app::App,
    duty::Pace,
    relay::properties,
    store::{StoreError, WorkerArrival, WorkerBeat},
};

/// Workers that are welcomed by one publish.
const WELCOMES: usize = 16;
/// Most messages of one publish, but for those to a single worker: each is told of all that must not be started.
const TOLD_AT_ONCE: usize = 32;

/// Takes worker events until shutdown.
pub async fn run(app: Arc<App>, behind: Behind, mut pulse: Pulse, pace: Pace, shutdown: CancellationToken) {
    let queue = app.names.heartbeats_queue();
    while let Some(mut deliveries) = subscribe(&app, &queue, PREFETCH, &shutdown).await {
        let reading = take_queue(&app, &queue, &mut deliveries, &behind, pace, &shutdown);
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
async fn take_queue(
    app: &App,
    queue: &str,
    deliveries: &mut Box<dyn Deliveries>,
    behind: &Behind,
    pace: Pace,
    shutdown: &CancellationToken,
) {
    while let Some(taken) = batch(deliveries, behind, shutdown).await {
        let mut read = read(app, &taken);
        match until_done!("taking heartbeats", shutdown, take(app, &read, pace)) {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "worker events are taken one by one");
                let Some(bad) = one_by_one(app, &taken, pace, shutdown).await else { return };
                read.bad = bad;
            }
        }
        if let Some(marker) = read.marker {
            marker.received(app, "heartbeats", pace).await;
        }
        if read.beats.values().any(|beat| !beat.acknowledged.is_empty()) {
            app.press.beat();
        }
        let kept = bury(app, queue, &taken, read.bad, shutdown).await;
        settle(&**deliveries, &taken, &kept).await;
    }
}

/// A worker that says what cannot be stored must not keep the others from being heard. What is bad; `None`: shutdown.
async fn one_by_one(app: &App, taken: &[Delivery], pace: Pace, shutdown: &CancellationToken) -> Option<Vec<Bad>> {
    let mut bad = Vec::new();
    for (index, delivery) in taken.iter().enumerate() {
        let mut read = read(app, std::slice::from_ref(delivery));
        bad.extend(read.bad.drain(..).map(|bad| Bad { index, ..bad }));
        if let Err(error) = until_done!("taking a worker event", shutdown, take(app, &read, pace))? {
            bad.push(Bad { index, reason: error.to_string(), body: delivery.body.clone() });
        }
    }
    Some(bad)
}

#[derive(Default)]
struct Read {
    /// The newest of each worker: one that waits asks again and again, and is answered once.
    arrivals: HashMap<WorkerSession, WorkerArrival>,
    beats: HashMap<WorkerSession, WorkerBeat>,
    departures: Vec<(WorkerSession, u64)>,
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
        let event: WorkerEvent = match decode(delivery.properties.kind.as_deref(), &delivery.body, app.message_bytes) {
            Ok(event) => event,
            Err(error) => {
                read.bad.push(Bad { index, reason: error.to_string(), body: delivery.body.clone() });
                continue;
            }
        };
        let (session, seq) = (event.worker_session, event.seq);
        match event.kind {
            WorkerEventKind::WorkerUp { types, version, host, concurrency } => {
                let control_queue = delivery.properties.reply_to.clone();
                let arrival = WorkerArrival { session, seq, types, version, host, concurrency, control_queue };
                if read.arrivals.get(&session).is_none_or(|earlier| earlier.seq < seq) {
                    read.arrivals.insert(session, arrival);
                }
            }
            WorkerEventKind::WorkerHeartbeat { running, types, mut acknowledged, draining, paused_version } => {
                if let Some(earlier) = read.beats.remove(&session) {
                    acknowledged.extend(earlier.acknowledged.iter().copied());
                    if earlier.seq > seq {
                        read.beats.insert(session, WorkerBeat { acknowledged, ..earlier });
                        continue;
                    }
                }
                let beat = WorkerBeat { session, seq, running, types, acknowledged, draining, paused_version };
                read.beats.insert(session, beat);
            }
            WorkerEventKind::WorkerDown => read.departures.push((session, seq)),
        }
    }
    read
}

async fn take(app: &App, read: &Read, pace: Pace) -> Result<(), StoreError> {
    let arrivals: Vec<&WorkerArrival> = read.arrivals.values().collect();
    if !arrivals.is_empty() {
        declare(app, &arrivals).await;
    }
    for arrivals in arrivals.chunks(WELCOMES) {
        welcome(app, arrivals, pace).await?;
    }
    if !read.beats.is_empty() {
        let mut beats: Vec<WorkerBeat> = read.beats.values().cloned().collect();
        // Two replicas that write the same workers lock their rows in the same order.
        beats.sort_unstable_by_key(|beat| beat.session);
        let superseded = app.store.heartbeats(&beats).await?;
        stop(app, superseded).await;
        tell_pauses(app, &beats).await?;
    }
    if !read.departures.is_empty() {
        app.store.workers_down(&read.departures).await?;
        for (session, _) in &read.departures {
            tracing::info!(worker.session = %session, "worker ended");
        }
    }
    Ok(())
}

/// Makes sure that the queues of these workers exist: once for all of them, since the broker takes its time.
async fn declare(app: &App, arrivals: &[&WorkerArrival]) {
    let types: BTreeSet<&JobType> =
        arrivals.iter().flat_map(|arrival| &arrival.types).map(|info| &info.job_type).collect();
    if let Err(error) = app.broker.declare(&Topology::job_queues(&app.names, types)).await {
        tracing::warn!(%error, "the queues of a worker's types cannot be declared");
    }
}

/// Enters workers, and tells each what must not be started.
async fn welcome(app: &App, arrivals: &[&WorkerArrival], pace: Pace) -> Result<(), StoreError> {
    let mut publications = Vec::new();
    for arrival in arrivals {
        let briefing = app.store.worker_up(arrival, briefing::TOLD).await?;
        tracing::info!(worker.session = %arrival.session, worker.host = %arrival.host, types = arrival.types.len(), "worker is up");
        let Some(queue) = &arrival.control_queue else { continue };
        let controls = briefing::controls(briefing, arrival.session, pace);
        publications.extend(controls.iter().filter_map(|control| publication(app, "", queue, control)));
        if publications.len() > TOLD_AT_ONCE {
            publish(app, std::mem::take(&mut publications)).await;
        }
    }
    // Not answered: the worker asks again.
    publish(app, publications).await;
    Ok(())
}

/// Tells the paused types again when a worker has not heard the last of them.
async fn tell_pauses(app: &App, beats: &[WorkerBeat]) -> Result<(), StoreError> {
    let Some(least) = beats.iter().filter_map(|beat| beat.paused_version).min() else { return Ok(()) };
    if let Some(paused) = app.store.paused_types_since(least).await? {
        let control = Control::PausedTypes(paused);
        publish(app, publication(app, &app.names.control_exchange(), "", &control).into_iter().collect()).await;
    }
    Ok(())
}

/// Tells workers to stop what is no longer theirs.
async fn stop(app: &App, superseded: Vec<(WorkerSession, RunningJob)>) {
    let mut by_worker: HashMap<WorkerSession, Vec<RunningJob>> = HashMap::new();
    for (session, job) in superseded {
        by_worker.entry(session).or_default().push(job);
    }
    for (worker_session, jobs) in by_worker {
        tracing::info!(worker.session = %worker_session, count = jobs.len(), "telling a worker to stop what was taken from it");
        let stop = Control::Stop { worker_session, jobs };
        publish(app, publication(app, &app.names.control_exchange(), "", &stop).into_iter().collect()).await;
    }
}

fn publication(app: &App, exchange: &str, routing_key: &str, control: &Control) -> Option<Publication> {
    let body = match encode(control, app.message_bytes) {
        Ok(body) => Bytes::from(body),
        Err(error) => {
            tracing::error!(%error, "a control message cannot be made");
            return None;
        }
    };
    let (exchange, routing_key) = (exchange.into(), routing_key.into());
    Some(Publication { exchange, routing_key, body, properties: properties::<Control>(app), mandatory: false })
}

async fn publish(app: &App, publications: Vec<Publication>) {
    for outcome in app.broker.publish(publications).await {
        if let Err(error) = outcome {
            tracing::warn!(%error, "a control message was not published");
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use drover_broker::{Properties, Tag};
    use drover_protocol::MessageType;
    use uuid::Uuid;

    use super::*;
    use crate::testing::Desk;

    fn asks(session: WorkerSession, seq: u64, queue: &str) -> Delivery {
        let kind =
            WorkerEventKind::WorkerUp { types: Vec::new(), version: "1".into(), host: "a host".into(), concurrency: 1 };
        let event = WorkerEvent { worker_session: session, seq, at: Utc::now(), kind };
        Delivery {
            tag: Tag { session: 1, number: seq },
            body: encode(&event, 10_000).expect("it fits").into(),
            properties: Properties {
                kind: Some(WorkerEvent::type_property()),
                reply_to: Some(queue.into()),
                ..Properties::default()
            },
            exchange: String::new(),
            routing_key: String::new(),
            redelivered: false,
        }
    }

    #[tokio::test]
    async fn a_worker_that_asked_again_and_again_is_answered_once_and_where_it_listens_now() {
        let desk = Desk::new().await;
        let [waiting, other] = [WorkerSession(Uuid::now_v7()), WorkerSession(Uuid::now_v7())];
        let taken = [asks(waiting, 1, "a"), asks(other, 1, "z"), asks(waiting, 3, "c"), asks(waiting, 2, "b")];
        let read = read(&desk.app, &taken);
        assert_eq!(read.arrivals.len(), 2);
        let arrival = &read.arrivals[&waiting];
        assert_eq!((arrival.seq, arrival.control_queue.as_deref()), (3, Some("c")));
    }

    #[tokio::test]
    async fn a_worker_event_that_the_database_refuses_keeps_no_other_from_being_heard() {
        let desk = Desk::new().await;
        let client = desk.database.connect().await.expect("a connection");
        let refused = WorkerSession(Uuid::now_v7());
        let check = format!("ALTER TABLE workers ADD CHECK (session <> '{refused}')");
        client.batch_execute(&check).await.expect("added");
        let others = [WorkerSession(Uuid::now_v7()), WorkerSession(Uuid::now_v7())];
        let taken = [asks(others[0], 1, "a"), asks(refused, 1, "b"), asks(others[1], 1, "c")];
        let pace = Pace { lease: std::time::Duration::from_secs(15) };
        assert!(take(&desk.app, &read(&desk.app, &taken), pace).await.is_err());
        let bad = one_by_one(&desk.app, &taken, pace, &CancellationToken::new()).await.expect("no shutdown");
        assert_eq!(bad.iter().map(|bad| bad.index).collect::<Vec<_>>(), [1]);
        assert!(bad[0].reason.contains("check constraint"), "{}", bad[0].reason);
        let entered = client.query("SELECT session FROM workers ORDER BY session", &[]).await.expect("read");
        let entered: Vec<Uuid> = entered.iter().map(|row| row.get(0)).collect();
        assert_eq!(entered, others.map(|session| session.0));
    }
}
