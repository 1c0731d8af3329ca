//! One batch: published as a whole, settled as a whole.
//!
//! lapin hands a returned message to whichever confirm resolves next. So batches of a channel must not overlap: once all
//! confirms of a batch are there, the messages that came with any of them are exactly those that were returned.

use std::collections::HashSet;

use futures_util::{FutureExt, future::BoxFuture};
use lapin::{Channel, Confirmation, PublisherConfirm, message::BasicReturnMessage, options::BasicPublishOptions};
use uuid::Uuid;

use super::{convert::to_amqp, fault::Fault, publisher::Outcome};
use crate::{Publication, PublishError, fit::check};

/// The publications of a batch on their way.
pub(super) struct Batch<'a> {
    publications: &'a [Publication],
    message_ids: &'a [String],
    slots: Vec<Slot<'a>>,
}

enum Slot<'a> {
    /// On its way to the socket.
    Sending(BoxFuture<'a, lapin::Result<PublisherConfirm>>),
    /// On its way to the queues.
    Waiting(PublisherConfirm),
    /// Confirmed or refused, perhaps with some message of the batch that was returned.
    Answered { taken: bool, returned: Option<Box<BasicReturnMessage>> },
    /// Will not be answered.
    Broken(Fault),
    /// Not published, for this reason.
    Withheld(PublishError),
}

/// The ids that the messages of a batch go by; those without one get one.
pub(super) fn message_ids(publications: &[Publication]) -> Vec<String> {
    let id = |publication: &Publication| match &publication.properties.message_id {
        Some(id) => id.clone(),
        None => Uuid::new_v4().to_string(),
    };
    publications.iter().map(id).collect()
}

impl<'a> Batch<'a> {
    /// Hands all publications to the channel, in order; `missing` are exchanges that do not exist.
    pub(super) fn send(
        channel: &'a Channel,
        publications: &'a [Publication],
        message_ids: &'a [String],
        missing: &HashSet<String>,
    ) -> Self {
        let slots = publications.iter().zip(message_ids).map(|(publication, id)| {
            if let Err(error) = check(publication) {
                return Slot::Withheld(error);
            }
            if missing.contains(&publication.exchange) {
                return Slot::Withheld(unroutable(publication));
            }
            send(channel, publication, id)
        });
        let slots = slots.collect();
        Self { publications, message_ids, slots }
    }

    /// Waits until every confirm is there or cannot come any more. Cancel-safe.
    pub(super) async fn settle(&mut self) {
        for slot in &mut self.slots {
            if let Slot::Sending(sending) = slot {
                *slot = match sending.await {
                    Ok(confirm) => Slot::Waiting(confirm),
                    Err(error) => broken(&error),
                };
            }
            if let Slot::Waiting(confirm) = slot {
                *slot = match confirm.await {
                    Ok(confirmation) => answered(confirmation),
                    Err(error) => broken(&error),
                };
            }
        }
    }

    /// What stopped the batch, if something did.
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.slots.iter().find_map(|slot| if let Slot::Broken(fault) = slot { Some(fault) } else { None })
    }

    /// The outcome of each publication; `reason` goes to those without an answer yet.
    pub(super) fn outcomes(&self, reason: &str) -> Vec<Outcome> {
        let returned: HashSet<Route> = self.slots.iter().filter_map(Slot::returned).collect();
        let complete = self.slots.iter().all(Slot::is_answered);
        // While a return may still be on its way, no confirm of a batch that saw returns can be told from another's.
        let uncertain = !complete && !returned.is_empty();
        let each = self.publications.iter().zip(self.message_ids).zip(&self.slots);
        each.map(|((publication, id), slot)| match slot {
            Slot::Withheld(error) => Err(error.clone()),
            _ if publication.mandatory && returned.contains(&route(publication, id)) => Err(unroutable(publication)),
            Slot::Answered { taken: false, .. } => Err(PublishError::Rejected),
            Slot::Answered { .. } if !(publication.mandatory && uncertain) => Ok(()),
            Slot::Broken(fault) => Err(PublishError::Unconfirmed { reason: fault.reason().to_owned() }),
            _ => Err(PublishError::Unconfirmed { reason: reason.to_owned() }),
        })
        .collect()
    }
}

/// A message by its id, exchange and routing key: two callers may publish under the same id.
type Route<'a> = (&'a str, &'a str, &'a str);

fn route<'a>(publication: &'a Publication, message_id: &'a str) -> Route<'a> {
    (message_id, &publication.exchange, &publication.routing_key)
}

impl Slot<'_> {
    fn returned(&self) -> Option<Route<'_>> {
        let Slot::Answered { returned: Some(message), .. } = self else { return None };
        let delivery = &message.delivery;
        let id = delivery.properties.message_id().as_ref().map_or("", |id| id.as_str());
        Some((id, delivery.exchange.as_str(), delivery.routing_key.as_str()))
    }

    fn is_answered(&self) -> bool {
        matches!(self, Slot::Answered { .. } | Slot::Withheld(_))
    }
}

fn send<'a>(channel: &'a Channel, publication: &'a Publication, message_id: &str) -> Slot<'a> {
    let options = BasicPublishOptions { mandatory: publication.mandatory, ..BasicPublishOptions::default() };
    let properties = to_amqp(&publication.properties, message_id);
    let (exchange, routing_key) = (publication.exchange.as_str().into(), publication.routing_key.as_str().into());
    let mut sending = channel.basic_publish(exchange, routing_key, options, &publication.body, properties).boxed();
    // Polling once hands the frames over, which keeps the order; what is left is waiting for the socket.
    match (&mut sending).now_or_never() {
        None => Slot::Sending(sending),
        Some(Ok(confirm)) => Slot::Waiting(confirm),
        Some(Err(error)) => broken(&error),
    }
}

fn answered<'a>(confirmation: Confirmation) -> Slot<'a> {
    let taken = confirmation.is_ack();
    Slot::Answered { taken, returned: confirmation.take_message().map(Box::new) }
}

fn broken<'a>(error: &lapin::Error) -> Slot<'a> {
    Slot::Broken(Fault::new(error, || "publish".to_owned()))
}

fn unroutable(publication: &Publication) -> PublishError {
    PublishError::Unroutable { exchange: publication.exchange.clone(), routing_key: publication.routing_key.clone() }
}
