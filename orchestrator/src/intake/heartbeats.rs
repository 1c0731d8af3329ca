//! Worker events: arrivals are answered with what must not be started, heartbeats renew leases.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use drover_broker::{Delivery, Publication, Topology};
use drover_protocol::{Control, RunningJob, WorkerEvent, WorkerEventKind, WorkerSession, decode, encode};
use tokio_util::sync::CancellationToken;

use super::{Bad, Behind, Marker, PREFETCH, batch, bury, settle, subscribe, until_done};
use crate::{
    app::App,
    duty::Pace,
    relay::properties,
    store::{StoreError, WorkerArrival, WorkerBeat},
};

/// Most cancelled dispatches that a worker is told of when it arrives; as many withdrawn ones.
const TOMBSTONES: i64 = 10_000;
/// Most withdrawn dispatches of one message.
const WITHDRAWN: usize = 1_000;

/// Takes worker events until shutdown.
pub async fn run(app: Arc<App>, behind: Behind, pace: Pace, shutdown: CancellationToken) {
    let queue = app.names.heartbeats_queue();
    let Some(mut deliveries) = subscribe(&app, &queue, PREFETCH, &shutdown).await else { return };
    while let Some(taken) = batch(&mut deliveries, &behind, &shutdown).await {
        let read = read(&app, &taken);
        match until_done!("taking heartbeats", &shutdown, take(&app, &read, pace)) {
            None => return,
            Some(Ok(())) => {}
            // A worker that announces what cannot be stored must not keep the others from being heard.
            Some(Err(error)) => tracing::error!(%error, "a batch of worker events was lost"),
        }
        if let Some(marker) = read.marker {
            marker.received(&app, "heartbeats", pace).await;
        }
        let kept = bury(&app, &queue, &taken, read.bad, &shutdown).await;
        settle(&*deliveries, &taken, &kept).await;
    }
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
    for arrival in &read.arrivals {
        welcome(app, arrival, pace).await?;
    }
    if !read.beats.is_empty() {
        let beats: Vec<WorkerBeat> = read.beats.values().cloned().collect();
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

/// Enters a worker, makes sure that its queues exist, and tells it what must not be started.
async fn welcome(app: &App, arrival: &WorkerArrival, pace: Pace) -> Result<(), StoreError> {
    let briefing = app.store.worker_up(arrival, TOMBSTONES).await?;
    tracing::info!(worker.session = %arrival.session, worker.host = %arrival.host, types = arrival.types.len(), "worker is up");
    let types = arrival.types.iter().map(|info| &info.job_type);
    if let Err(error) = app.broker.declare(&Topology::job_queues(&app.names, types)).await {
        tracing::warn!(%error, "the queues of a worker's types cannot be declared");
    }
    let Some(queue) = arrival.control_queue.clone() else { return Ok(()) };
    let welcome = Control::Welcome {
        worker_session: arrival.session,
        cancelled: briefing.cancelled,
        controls: briefing.controls,
        paused: Some(briefing.paused),
        lease_seconds: pace.lease.as_secs_f64(),
    };
    // The queue keeps their order: what must not be started is known when the welcome lets the worker start.
    let withdraws = briefing.withdrawn.chunks(WITHDRAWN).map(|jobs| Control::Withdraw { jobs: jobs.to_vec() });
    // Not answered: the worker asks again.
    send(app, "", &queue, withdraws.chain([welcome])).await;
    Ok(())
}

/// Tells the paused types again when a worker has not heard the last of them.
async fn tell_pauses(app: &App, beats: &[WorkerBeat]) -> Result<(), StoreError> {
    let Some(least) = beats.iter().filter_map(|beat| beat.paused_version).min() else { return Ok(()) };
    if let Some(paused) = app.store.paused_types_since(least).await? {
        send(app, &app.names.control_exchange(), "", [Control::PausedTypes(paused)]).await;
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
