//! What is found out of a job's message before it asks for a permit.

use std::sync::Arc;

use chrono::Utc;
use drover_broker::{Delivery, Settle, Settler};
use drover_protocol::{JobError, JobMessage, decode};
use serde_json::Value;

use super::Lane;
use crate::{
    config::MOST_MESSAGE_BYTES,
    ending,
    state::{Facts, Trace},
    table::{Known, Receipt},
};

/// A job that may begin as soon as it has a permit.
pub(super) struct Ready {
    pub(super) facts: Facts,
    pub(super) params: Value,
    pub(super) receipt: Receipt,
    /// Its message was delivered before, perhaps to a worker that it ended.
    pub(super) redelivered: bool,
}

impl Lane {
    /// Settles what needs no permit: what is malformed, known or too late.
    pub(super) async fn look(&self, delivery: Delivery, settler: &Arc<dyn Settler>) -> Option<Ready> {
        let (receipt, redelivered) = (Receipt::new(Arc::clone(settler), delivery.tag), delivery.redelivered);
        let message = match self.decode(&delivery) {
            Ok(message) => message,
            Err(problem) => {
                let message_id = delivery.properties.message_id;
                tracing::error!(job_type = %self.job_type, message_id, "a job message goes to the dead letters: {problem}");
                receipt.settle(Settle::DeadLetter).await;
                return None;
            }
        };
        let usual = || self.shared.session.names.events_queue();
        let route = delivery.properties.reply_to.clone().filter(|route| !route.is_empty()).unwrap_or_else(usual);
        let trace = Trace::of(&delivery.properties.headers, &self.shared.traces);
        let facts = Facts::of(&message, route.into(), trace);
        match self.shared.table.look(facts.running()) {
            Known::New => {}
            known => {
                Self::settle_known(known, receipt).await;
                return None;
            }
        }
        if let Some(deadline) = message.deadline.filter(|deadline| *deadline < Utc::now()) {
            let error = JobError::permanent("deadline", format!("it was not started before its deadline, {deadline}"));
            self.shared.reporter.not_begun(&facts, ending::failure(error), receipt);
            return None;
        }
        Some(Ready { facts, params: message.params, receipt, redelivered })
    }

    fn decode(&self, delivery: &Delivery) -> Result<JobMessage, String> {
        let kind = delivery.properties.kind.as_deref();
        // The limit of whoever sent it counts, not that of this worker's own reports.
        let message: JobMessage =
            decode(kind, &delivery.body, MOST_MESSAGE_BYTES).map_err(|error| error.to_string())?;
        if message.job_type != self.job_type {
            return Err(format!("/type is {:?}, but the queue is for {:?}", message.job_type, self.job_type));
        }
        Ok(message)
    }

    /// Settles the message of a dispatch that must not be started, or not again.
    pub(super) async fn settle_known(known: Known, receipt: Receipt) {
        match known {
            // It was delivered again since its ack was lost, or could not be given yet.
            Known::Held(held) => {
                if let Some(receipt) = held.add_receipt(receipt) {
                    receipt.settle(Settle::Ack).await;
                }
            }
            // Nothing is said of a cancelled or withdrawn one: another worker may hold a copy of the message. The cancel settles when every
            // worker has acknowledged it.
            Known::Cancelled | Known::Finished => receipt.settle(Settle::Ack).await,
            Known::New => receipt.settle(Settle::GiveBack).await,
        }
    }
}
