//! The relay: makes and publishes messages; a row of the outbox goes only after the confirm.

use std::sync::Arc;

use drover_protocol::{JobMessage, JobStatus, RunningJob};

use super::Step;
use crate::{
    Who,
    broker::{Body, Queue},
    database::{Outgoing, Owed},
    plan::Point,
    rules::Rule,
    world::{Message, Packet, World},
};

impl World {
    /// Makes and publishes messages. A dispatch that is no longer current owes nothing.
    pub(super) fn send_rows(&mut self, number: u64, rows: Vec<Owed>) {
        if self.now < self.database.away_until {
            return;
        }
        let (mut messages, mut done, mut sent) = (Vec::new(), Vec::new(), Vec::new());
        for Owed { row, what } in rows {
            let made = match what {
                Outgoing::Job(job) => {
                    self.message(job).map(|job| (Queue::Jobs(job.job_type.to_string()), Body::Job(Arc::new(job))))
                }
                Outgoing::Control(control) => Some((Queue::Everybody, Body::Control(control))),
                Outgoing::Notification(id, run) => Some((Queue::Notifications, Body::Notification(id, run))),
            };
            match made {
                Some((queue, body)) => {
                    sent.push(row);
                    messages.push(Message { queue, body, row: Some(row) });
                }
                None => done.push(row),
            }
        }
        self.ledger.owe_nothing(&done);
        if self.broken == Some(Rule::RowGoesAfterConfirm) {
            done.append(&mut sent);
        }
        if !done.is_empty() {
            self.orchestrate_soon(number, Step::Forget(done));
        }
        if messages.is_empty() {
            return;
        }
        let (who, id) = (Who::Orchestrator(number), self.database.number());
        if self.send(who, Packet::Publish { id, messages }) {
            if let Some(orchestrator) = self.orchestrators.get_mut(&number) {
                orchestrator.flights.insert(id, sent);
            }
            self.reach(Point::Published, who);
        }
    }

    pub(super) fn message(&self, job: RunningJob) -> Option<JobMessage> {
        let row = self.database.store.rows.get(&job.job_id)?;
        let current = matches!(row.job.status, JobStatus::Pending | JobStatus::Running) && row.job.paused.is_none();
        (row.job.dispatch == job.dispatch && current).then(|| JobMessage {
            id: row.job.id,
            job_type: row.job.job_type.clone(),
            attempt: row.job.attempt,
            dispatch: row.job.dispatch,
            parent_id: row.job.parent.map(|parent| parent.id),
            root_id: row.job.root_id,
            step: None,
            params: row.params.clone(),
            timeout_seconds: row.job.policy.timeout_ms.map(|ms| std::time::Duration::from_millis(ms).as_secs_f64()),
            deadline: None,
            idempotency_key: row.job.id.to_string(),
        })
    }

    pub(super) fn forget(&mut self, number: u64, rows: Vec<u64>) {
        if self.now < self.database.away_until {
            return;
        }
        for row in rows {
            if self.database.outbox.remove(&row).is_some() {
                self.ledger.forgotten(row);
            }
        }
        self.reach(Point::Forgotten, Who::Orchestrator(number));
    }
}
