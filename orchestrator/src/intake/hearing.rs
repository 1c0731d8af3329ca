//! Until when this replica has surely received what the broker delivered to it.
//!
//! A connection may be broken for a while before this end notices, and for a while after that the broker may still keep from
//! the others what it believes to have delivered here. Meanwhile nobody may say that everything sent so far is folded: a
//! `started` may be among it, and a cancel would settle under a running job.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use drover_broker::{Broker, BrokerError};
use tokio::{task::JoinHandle, time::timeout};

/// See the module.
pub struct Hearing {
    broker: Arc<dyn Broker>,
    /// A question under way. It is asked to its end, however late: one that is dropped half-way would leave a channel open.
    question: Option<JoinHandle<(Instant, Result<u64, BrokerError>)>>,
    heard: Heard,
}

impl Hearing {
    /// Of a replica that has just started: nothing was delivered to it yet.
    #[must_use]
    pub fn new(broker: Arc<dyn Broker>) -> Self {
        let heard = Heard { detection: broker.detection(), connection: None, by: Instant::now(), held_until: None };
        Self { broker, question: None, heard }
    }

    /// How long ago everything had been received that was delivered by then. Asks the broker, and waits for so long at most.
    pub async fn behind(&mut self, patience: Duration) -> Duration {
        let broker = &self.broker;
        let question = self.question.get_or_insert_with(|| {
            let (broker, asked_at) = (Arc::clone(broker), Instant::now());
            tokio::spawn(async move { (asked_at, broker.round_trip().await) })
        });
        if let Ok(answer) = timeout(patience, question).await {
            self.question = None;
            match answer {
                Ok((asked_at, Ok(connection))) => self.heard.answered(connection, asked_at, Instant::now()),
                Ok((_, Err(error))) => tracing::debug!(%error, "the connection that consumes is down"),
                Err(_) => {}
            }
        }
        self.heard.by.elapsed()
    }
}

struct Heard {
    detection: Duration,
    /// The number of the connection that answered last.
    connection: Option<u64>,
    /// By then everything had been received.
    by: Instant,
    /// Until then the broker may hold what it delivered on a connection that broke.
    held_until: Option<Instant>,
}

impl Heard {
    fn answered(&mut self, connection: u64, asked_at: Instant, now: Instant) {
        if self.connection.replace(connection).is_some_and(|before| before != connection) {
            self.held_until = Some(now + self.detection);
        }
        if self.held_until.is_none_or(|until| until <= asked_at) {
            (self.by, self.held_until) = (asked_at, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_connection_broke_it_stands_still_until_the_broker_has_noticed() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heard = Heard { detection: Duration::from_secs(10), connection: None, by: start, held_until: None };
        heard.answered(1, at(1), at(1));
        heard.answered(1, at(2), at(3));
        assert_eq!(heard.by, at(2), "when it was asked, not when the answer came");
        heard.answered(2, at(5), at(6));
        assert_eq!(heard.by, at(2), "what the first connection had delivered since may be held there");
        heard.answered(2, at(15), at(16));
        assert_eq!(heard.by, at(2));
        heard.answered(2, at(16), at(16));
        assert_eq!(heard.by, at(16));
    }
}
