//! One life of a worker process: its name, its counter of events, and when it last reached the broker.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::Utc;
use drover_broker::{Broker, Headers, Properties, Publication, PublishError};
use drover_protocol::{
    DecodeError, JobEvent, JobEventKind, MessageType, Names, WorkerEvent, WorkerEventKind, WorkerSession, encode,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    config::{MOST_MESSAGE_BYTES, Settings},
    lease::OwnLease,
    state::Facts,
};

/// One life of a worker process.
pub(crate) struct Session {
    pub(crate) id: WorkerSession,
    pub(crate) names: Names,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) settings: Settings,
    pub(crate) lease: OwnLease,
    seq: AtomicU64,
    messages: AtomicU64,
    last_contact: Mutex<Instant>,
}

impl Session {
    pub(crate) fn new(names: Names, broker: Arc<dyn Broker>, settings: Settings) -> Self {
        Self {
            id: WorkerSession(Uuid::now_v7()),
            names,
            broker,
            settings,
            lease: OwnLease::default(),
            seq: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            last_contact: Mutex::new(Instant::now()),
        }
    }

    /// An event of a job, with the session's next number.
    pub(crate) fn event(&self, job: &Facts, kind: JobEventKind) -> JobEvent {
        JobEvent {
            job_id: job.job_id,
            attempt: job.attempt,
            dispatch: job.dispatch,
            worker_session: self.id,
            seq: self.next_seq(),
            at: Utc::now(),
            kind,
        }
    }

    /// Publishes an event of the worker itself, once.
    pub(crate) async fn report(&self, kind: WorkerEventKind, reply_to: Option<&str>) -> Result<(), ReportError> {
        let event = WorkerEvent { worker_session: self.id, seq: self.next_seq(), at: Utc::now(), kind };
        // A heartbeat names all that runs: no limit on what a job reports may silence the worker.
        let body = encode(&event, MOST_MESSAGE_BYTES)?;
        let mut publication = self.publication::<WorkerEvent>(self.names.heartbeats_queue(), body);
        publication.properties.reply_to = reply_to.map(str::to_owned);
        let sent_at = Instant::now();
        match self.broker.publish(vec![publication]).await.pop() {
            Some(Err(error)) => Err(error.into()),
            Some(Ok(())) | None => {
                self.touch();
                self.lease.heard(sent_at);
                Ok(())
            }
        }
    }

    /// A message of type `T` for the events exchange.
    pub(crate) fn publication<T: MessageType>(&self, routing_key: String, body: Vec<u8>) -> Publication {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        Publication {
            exchange: self.names.events_exchange(),
            routing_key,
            body: Bytes::from(body),
            properties: Properties {
                message_id: Some(format!("{}-{number}", self.id)),
                kind: Some(T::type_property()),
                content_type: Some("application/json".into()),
                app_id: Some(self.names.prefix().to_owned()),
                timestamp: Some(Utc::now()),
                headers: Headers::new(),
                ..Properties::default()
            },
            mandatory: true,
        }
    }

    /// The next number of the session; one counter for all its events.
    pub(crate) fn next_seq(&self) -> u64 {
        self.seq.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The broker has just confirmed something.
    pub(crate) fn touch(&self) {
        *self.last_contact.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long the broker has confirmed nothing.
    pub(crate) fn silence(&self) -> Duration {
        self.last_contact.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// An event of the worker did not reach the broker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// It breaks a limit of the wire.
    #[error(transparent)]
    Encode(#[from] DecodeError),
    /// The broker did not confirm it.
    #[error(transparent)]
    Publish(#[from] PublishError),
}
