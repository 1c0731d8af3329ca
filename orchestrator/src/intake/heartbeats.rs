//! Worker events: arrivals are answered with what must not be started, heartbeats renew leases.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use drover_broker::{Delivery, Publication, Topology};
use drover_protocol::{Control, ControlId, RunningJob, WorkerEvent, WorkerEventKind, WorkerSession, decode, encode};
use tokio_util::sync::CancellationToken;

use super::{Bad, Behind, Marker, PREFETCH, batch, bury, settle, subscribe, until_done};
use crate::{
    app::App,
    duty::Pace,
    relay::properties,
    store::{Briefing, StoreError, WorkerArrival, WorkerBeat},
};

/// Most cancelled dispatches that a worker is told of when it arrives; as many withdrawn ones. It remembers no more.
const TOMBSTONES: i64 = 100_000;
/// Most dispatches that one message names.
const NAMED: usize = 1_000;

/// Takes worker events until shutdown.
pub async fn run(app: Arc<App>, behind: Behind, pace: Pace, shutdown: CancellationToken) {
    let queue = app.names.heartbeats_queue();
    let Some(mut deliveries) = subscribe(&app, &queue, PREFETCH, &shutdown).await else { return };
    while let Some(taken) = batch(&mut deliveries, &behind, &shutdown).await {
        let mut read = read(&app, &taken);
        match until_done!("taking heartbeats", &shutdown, take(&app, &read, pace)) {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "worker events are taken one by one");
                let Some(bad) = one_by_one(&app, &taken, pace, &shutdown).await else { return };
                read.bad = bad;
            }
        }
        if let Some(marker) = read.marker {
            marker.received(&app, "heartbeats", pace).await;
        }
        let kept = bury(&app, &queue, &taken, read.bad, &shutdown).await;
        settle(&*deliveries, &taken, &kept).await;
    }
}

/// A worker that says what cannot be stored must not keep the others from being heard. What is bad; `None`: shutdown.
async fn one_by_one(app: &App, taken: &[Delivery], pace: Pace, shutdown: &CancellationToken) -> Option<Vec<Bad>> {
    let mut all_bad = Vec::new();
    for (index, delivery) in taken.iter().enumerate() {
        let read = read(app, std::slice::from_ref(delivery));
        all_bad.extend(read.bad.iter().map(|bad| Bad { index, reason: bad.reason.clone(), body: bad.body.clone() }));
        if let Err(error) = until_done!("taking a worker event", shutdown, take(app, &read, pace))? {
            all_bad.push(Bad { index, reason: error.to_string(), body: delivery.body.clone() });
        }
    }
    Some(all_bad)
}

#[derive(Default)]
struct Read {
    arrivals: Vec<WorkerArrival>,
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
            WorkerEventKind::WorkerUp { types, version, host, concurrency } => read.arrivals.push(WorkerArrival {
                session,
                seq,
                types,
                version,
                host,
                concurrency,
                control_queue: delivery.properties.reply_to.clone(),
            }),
            WorkerEventKind::WorkerHeartbeat { running, types, mut acknowledged, draining } => {
                if let Some(earlier) = read.beats.remove(&session) {
                    acknowledged.extend(earlier.acknowledged.iter().copied());
                    if earlier.seq > seq {
                        read.beats.insert(session, WorkerBeat { acknowledged, ..earlier });
                        continue;
                    }
                }
                read.beats.insert(session, WorkerBeat { session, seq, running, types, acknowledged, draining });
            }
            WorkerEventKind::WorkerDown => read.departures.push((session, seq)),
        }
    }
    read
}

async fn take(app: &App, read: &Read, pace: Pace) -> Result<(), StoreError> {
    for arrival in &read.arrivals {
        welcome(app, arrival, pace).await?;
    }
    if !read.beats.is_empty() {
        let beats: Vec<WorkerBeat> = read.beats.values().cloned().collect();
        let superseded = app.store.heartbeats(&beats).await?;
        stop(app, superseded).await;
    }
    if !read.departures.is_empty() {
        app.store.workers_down(&read.departures).await?;
        for (session, _) in &read.departures {
            tracing::info!(worker.session = %session, "worker ended");
        }
    }
    Ok(())
}

/// Enters a worker, makes sure that its queues exist, and tells it what must not be started.
async fn welcome(app: &App, arrival: &WorkerArrival, pace: Pace) -> Result<(), StoreError> {
    let briefing = app.store.worker_up(arrival, TOMBSTONES).await?;
    tracing::info!(worker.session = %arrival.session, worker.host = %arrival.host, types = arrival.types.len(), "worker is up");
    let types = arrival.types.iter().map(|info| &info.job_type);
    if let Err(error) = app.broker.declare(&Topology::job_queues(&app.names, types)).await {
        tracing::warn!(%error, "the queues of a worker's types cannot be declared");
    }
    let Some(queue) = arrival.control_queue.clone() else { return Ok(()) };
    // Not answered: the worker asks again.
    send(app, "", &queue, briefed(&briefing, arrival.session, pace)).await;
    Ok(())
}

/// What a worker is told when it arrives. Its queue keeps their order: what must not be started is known when the welcome,
/// which is the last, lets it start. The welcome names the newest cancelled dispatches; what it has no room for comes before.
fn briefed(briefing: &Briefing, worker_session: WorkerSession, pace: Pace) -> Vec<Control> {
    let (newest, older) = briefing.cancelled.split_at(briefing.cancelled.len().min(NAMED));
    let mut never = briefing.withdrawn.clone();
    let mut by_broadcast: BTreeMap<ControlId, Vec<RunningJob>> = BTreeMap::new();
    for (job, control_id) in older {
        match control_id {
            Some(control_id) => by_broadcast.entry(*control_id).or_default().push(*job),
            // Nobody waits for an acknowledgement of it.
            None => never.push(*job),
        }
    }
    let withdraws = never.chunks(NAMED).map(|jobs| Control::Withdraw { jobs: jobs.to_vec() });
    let cancels = by_broadcast.into_iter().map(|(control_id, jobs)| Control::Cancel { control_id, jobs });
    let welcome = Control::Welcome {
        worker_session,
        cancelled: newest.iter().map(|(job, _)| *job).collect(),
        controls: newest.iter().filter_map(|(_, control_id)| *control_id).collect(),
        lease_seconds: pace.lease.as_secs_f64(),
    };
    withdraws.chain(cancels).chain([welcome]).collect()
}

/// Tells workers to stop what is no longer theirs.
async fn stop(app: &App, superseded: Vec<(WorkerSession, RunningJob)>) {
    let mut by_worker: HashMap<WorkerSession, Vec<RunningJob>> = HashMap::new();
    for (session, job) in superseded {
        by_worker.entry(session).or_default().push(job);
    }
    for (worker_session, jobs) in by_worker {
        tracing::info!(worker.session = %worker_session, count = jobs.len(), "telling a worker to stop what was taken from it");
        send(app, &app.names.control_exchange(), "", [Control::Stop { worker_session, jobs }]).await;
    }
}

async fn send(app: &App, exchange: &str, routing_key: &str, controls: impl IntoIterator<Item = Control>) {
    let mut publications = Vec::new();
    for control in controls {
        match encode(&control, app.message_bytes) {
            Ok(body) => publications.push(Publication {
                exchange: exchange.into(),
                routing_key: routing_key.into(),
                body: Bytes::from(body),
                properties: properties::<Control>(app),
                mandatory: false,
            }),
            Err(error) => return tracing::error!(%error, "a control message cannot be made"),
        }
    }
    for outcome in app.broker.publish(publications).await {
        if let Err(error) = outcome {
            tracing::warn!(%error, "a control message was not published");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use chrono::Utc;
    use drover_broker::{Properties, Tag};
    use drover_protocol::JobId;
    use uuid::Uuid;

    use super::*;
    use crate::testing::Desk;

    const PACE: Pace = Pace { lease: Duration::from_secs(15) };

    fn dispatches(count: usize) -> Vec<RunningJob> {
        (0..count).map(|_| RunningJob { job_id: JobId(Uuid::now_v7()), dispatch: 1 }).collect()
    }

    #[test]
    fn a_worker_is_told_all_that_must_not_start_before_it_is_welcome() {
        let (withdrawn, open, settled) = (dispatches(1_500), dispatches(2_550), dispatches(1_200));
        let broadcasts: Vec<ControlId> = (0..51).map(|_| ControlId(Uuid::now_v7())).collect();
        let waits = open.iter().enumerate().map(|(index, job)| (*job, Some(broadcasts[index / 50])));
        let cancelled: Vec<_> = waits.chain(settled.iter().map(|job| (*job, None))).collect();
        let briefing = Briefing { cancelled, withdrawn: withdrawn.clone() };
        let mut told = briefed(&briefing, WorkerSession(Uuid::now_v7()), PACE);
        let Some(Control::Welcome { cancelled, controls, .. }) = told.pop() else { panic!("no welcome: {told:?}") };
        assert_eq!((cancelled.as_slice(), controls.len()), (&open[..1_000], 20), "the newest");
        let (mut never, mut acknowledged) = (BTreeSet::from_iter(cancelled), controls);
        for control in told {
            assert!(encode(&control, 128 * 1024).is_ok(), "it is no large message");
            match control {
                Control::Withdraw { jobs } => never.extend(jobs),
                Control::Cancel { control_id, jobs } => {
                    never.extend(jobs);
                    acknowledged.insert(control_id);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(never, [open, settled, withdrawn].concat().into_iter().collect());
        assert_eq!(acknowledged, broadcasts.into_iter().collect());
    }

    fn arrival(app: &App, host: &str) -> Delivery {
        let kind = WorkerEventKind::WorkerUp { types: vec![], version: "1".into(), host: host.into(), concurrency: 1 };
        let event = WorkerEvent { worker_session: WorkerSession(Uuid::now_v7()), seq: 1, at: Utc::now(), kind };
        Delivery {
            tag: Tag { session: 1, number: 1 },
            body: encode(&event, app.message_bytes).unwrap().into(),
            properties: Properties::default(),
            exchange: String::new(),
            routing_key: String::new(),
            redelivered: false,
        }
    }

    #[tokio::test]
    async fn a_worker_event_that_the_database_refuses_keeps_no_other_from_being_heard() {
        let desk = Desk::new().await;
        let client = desk.database.connect().await.unwrap();
        client.execute("ALTER TABLE workers ADD CHECK (host <> 'refused')", &[]).await.unwrap();
        let taken = ["a", "refused", "b"].map(|host| arrival(&desk.app, host));
        assert!(take(&desk.app, &read(&desk.app, &taken), PACE).await.is_err());
        let bad = one_by_one(&desk.app, &taken, PACE, &CancellationToken::new()).await.unwrap();
        assert_eq!(bad.iter().map(|bad| bad.index).collect::<Vec<_>>(), [1]);
        assert!(bad[0].reason.contains("check constraint"), "{}", bad[0].reason);
        let hosts = client.query("SELECT host FROM workers ORDER BY host", &[]).await.unwrap();
        assert_eq!(hosts.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["a", "b"]);
    }
}
