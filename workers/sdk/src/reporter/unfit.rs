//! Events that no broker takes, however often they are sent: each gets an end of its own, and the others go on.

use std::sync::Arc;

use drover_broker::{PublishError, Settle};
use drover_protocol::{JobError, JobEvent, encode};

use super::{
    Reporter, batch,
    buffer::{Landing, Outgoing, Then},
};
use crate::{ending, state::Stop, table::Held};

impl Reporter {
    /// A message that no broker takes. `false`: some of its events were not confirmed and are back in the buffer.
    pub(super) async fn unfit(&self, mut entries: Vec<Outgoing>, reason: &str) -> bool {
        let route = entries.first().map(|entry| Arc::clone(&entry.route)).unwrap_or_default();
        if self.take_usual_route(&route, &mut entries) {
            self.buffer().put_back(entries);
            return true;
        }
        if entries.len() == 1 {
            self.give_up(entries, reason).await;
            return true;
        }
        // One of them may be at fault: each is sent by itself.
        let publications = entries.iter().map(|entry| batch::single(entry, &self.session)).collect();
        let outcomes = self.session.broker.publish(publications).await;
        let mut confirmed = true;
        for (entry, outcome) in entries.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => self.confirmed(vec![entry]).await,
                Err(PublishError::Unfit { reason }) => self.give_up(vec![entry], &reason).await,
                Err(error) => {
                    confirmed = false;
                    self.not_confirmed(vec![entry], &error).await;
                }
            }
        }
        confirmed
    }

    async fn give_up(&self, entries: Vec<Outgoing>, reason: &str) {
        let landing = Landing::of(&entries);
        for entry in entries {
            self.give_up_one(entry, reason).await;
        }
        self.buffer().settled(landing);
        self.wake.notify_one();
    }

    async fn give_up_one(&self, entry: Outgoing, reason: &str) {
        match entry.then {
            Then::Progress(job) => tracing::warn!(job_id = %job.facts.job_id, reason, "a progress report is left out"),
            Then::Log(job) => {
                tracing::warn!(job_id = %job.facts.job_id, reason, "a log line is left out");
                job.log_gate.count_left_out(1);
            }
            Then::Tell(items) => {
                // The handler may have stopped waiting.
                items.send(Err(reason.to_owned())).ok();
            }
            Then::Ended(held) => self.end_instead(held, &entry.body, reason),
            // Its worker no longer lists it: the orchestrator takes it for lost, and in the end for poison.
            Then::EndedInstead(held) => {
                tracing::error!(job_id = %held.job.facts.job_id, reason, "the job's end cannot be sent at all");
                self.table.end(&held);
            }
            // A job whose message is in the dead letters fails, with the reason.
            Then::Started(held) => {
                tracing::error!(job_id = %held.job.facts.job_id, reason, "the job's start cannot be sent");
                held.job.stop(Stop::Taken);
                for receipt in held.confirm() {
                    receipt.settle(Settle::DeadLetter).await;
                }
            }
            Then::Settle(receipt) => {
                tracing::error!(reason, "the end of a job that never began cannot be sent");
                receipt.settle(Settle::DeadLetter).await;
            }
        }
    }

    /// Sends a failure that says why in place of an end that no broker takes.
    fn end_instead(&self, held: Arc<Held>, body: &[u8], reason: &str) {
        let facts = &held.job.facts;
        tracing::warn!(job_id = %facts.job_id, reason, "the job's end cannot be sent as it is");
        let kind = match serde_json::from_slice::<JobEvent>(body) {
            Ok(event) => ending::instead_of(event.kind, reason),
            Err(error) => ending::failure(JobError::permanent("invalid_result", error.to_string())),
        };
        let event = self.session.event(facts, kind);
        // Only texts that were cut to their limits are left in it.
        let body = encode(&event, self.session.settings.message_bytes).unwrap_or_default();
        let route = Arc::clone(&facts.route);
        self.buffer().push(Outgoing { route, body, then: Then::EndedInstead(held) });
    }
}
