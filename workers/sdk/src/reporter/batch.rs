//! Events put together to messages.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use drover_broker::Publication;
use drover_protocol::{JobEvent, JobId, WorkerSession, limits};
use serde::Serialize;
use serde_json::value::RawValue;

use super::buffer::Outgoing;
use crate::{JobFailure, session::Session, state::Facts};

/// The brackets of an array.
const BRACKETS_BYTES: usize = 2;

/// One message per route, each within the limits.
pub(super) struct Batch {
    groups: Vec<Group>,
    limit_bytes: usize,
}

struct Group {
    route: Arc<str>,
    entries: Vec<Outgoing>,
    bytes: usize,
}

impl Batch {
    pub(super) const fn new(limit_bytes: usize) -> Self {
        Self { groups: Vec::new(), limit_bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Adds an event to the message of its route. The event comes back when that message is full.
    pub(super) fn add(&mut self, event: Outgoing) -> Result<(), Outgoing> {
        let bytes = event.body.len() + 1;
        let group = self.groups.iter_mut().find(|group| group.route == event.route);
        let Some(group) = group else {
            let route = Arc::clone(&event.route);
            self.groups.push(Group { route, bytes: BRACKETS_BYTES + bytes, entries: vec![event] });
            return Ok(());
        };
        if group.entries.len() == limits::EVENTS_PER_MESSAGE || group.bytes + bytes > self.limit_bytes {
            return Err(event);
        }
        group.bytes += bytes;
        group.entries.push(event);
        Ok(())
    }

    /// The messages, and the events of each.
    pub(super) fn into_messages(self, session: &Session) -> (Vec<Publication>, Vec<Vec<Outgoing>>) {
        let message = |group: Group| {
            let body = join(&group.entries, group.bytes);
            let mut publication = session.publication::<JobEvent>(group.route.to_string(), body);
            publication.properties.headers.extend(traceparent(&group.entries));
            (publication, group.entries)
        };
        self.groups.into_iter().map(message).unzip()
    }
}

/// The message of a single event.
pub(super) fn single(event: &Outgoing, session: &Session) -> Publication {
    let mut publication = session.publication::<JobEvent>(event.route.to_string(), event.body.clone());
    publication.properties.headers.extend(traceparent(std::slice::from_ref(event)));
    publication
}

/// The header that says in which span these events happened, if it is one and the same.
fn traceparent(entries: &[Outgoing]) -> Option<(String, String)> {
    let place = entries.first()?.place()?;
    entries.iter().all(|entry| entry.place() == Some(place)).then(|| ("traceparent".to_owned(), place.to_string()))
}

/// A single event as it is, several as an array.
fn join(entries: &[Outgoing], bytes: usize) -> Vec<u8> {
    if let [entry] = entries {
        return entry.body.clone();
    }
    let mut body = Vec::with_capacity(bytes);
    body.push(b'[');
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&entry.body);
    }
    body.push(b']');
    body
}

/// An `items` event whose values are JSON already: long lists are serialised once and parsed never.
#[derive(Serialize)]
struct ItemsEvent<'a> {
    job_id: JobId,
    attempt: u32,
    dispatch: u32,
    worker_session: WorkerSession,
    seq: u64,
    at: DateTime<Utc>,
    kind: &'static str,
    name: &'a str,
    values: &'a [Box<RawValue>],
}

pub(super) fn items_body(
    session: &Session,
    facts: &Facts,
    name: &str,
    values: &[Box<RawValue>],
) -> Result<Vec<u8>, JobFailure> {
    let event = ItemsEvent {
        job_id: facts.job_id,
        attempt: facts.attempt,
        dispatch: facts.dispatch,
        worker_session: session.id,
        seq: session.next_seq(),
        at: Utc::now(),
        kind: "items",
        name,
        values,
    };
    Ok(serde_json::to_vec(&event)?)
}
