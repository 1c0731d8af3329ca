//! Periodic duties, one file each. Every replica does all of them; the database decides who gets what.

mod beat;
mod cancels;
mod definitions;
mod epoch;
mod housekeeping;
mod leases;
mod logs;
mod press;
mod prune;
mod queues;
mod schedules;
mod timers;

use std::time::Duration;

use drover_engine::{Input, Outcome};

use crate::{
    app::App,
    config::{Config, duration},
    store::StoreError,
};

pub use {
    beat::Identity, beat::run as beat, cancels::run as cancels, definitions::run as definitions, epoch::run as epoch,
    housekeeping::run as housekeeping, leases::run as leases, logs::run as logs, press::Press, prune::run as prune,
    queues::run as queues, schedules::run as schedules, timers::run as timers,
};

/// How fast things are noticed. All of it follows from the lease.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A worker that is silent for this long is lost.
    pub lease: Duration,
}

impl Pace {
    /// As it is configured.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { lease: duration(config.orchestrator.lease_seconds) }
    }

    /// How often a replica beats and sends its markers when nothing presses.
    #[must_use]
    pub fn beat(self) -> Duration {
        (self.lease / 8).min(Duration::from_secs(1))
    }

    /// How often it is looked for workers that are lost: an eighth of what it takes to be lost.
    #[must_use]
    pub fn look(self) -> Duration {
        self.lease / 8
    }

    /// How often while a cancel waits to settle: a person is looking.
    #[must_use]
    pub fn pressing(self) -> Duration {
        self.beat().min(Duration::from_millis(100))
    }

    /// A marker that is under way longer than this means that its queue is behind.
    #[must_use]
    pub fn lag(self) -> Duration {
        self.lease / 3
    }

    /// Markers further apart than this mean that nobody was reading.
    #[must_use]
    pub fn gap(self) -> Duration {
        self.lease / 2
    }

    /// What a replica owes to the broker is published by others when it was silent for this long: three beats.
    #[must_use]
    pub fn silence(self) -> Duration {
        self.beat() * 3
    }

    /// A replica that is silent for this long is not waited for: its host is gone, and the broker has noticed and given to
    /// others what it had delivered there.
    #[must_use]
    pub fn dead_after(self) -> Duration {
        self.lease.max(Duration::from_secs(5))
    }

    /// A replica that the database has not heard for this long lets go of what it holds of the queues: so others have folded
    /// it before nobody waits for the replica any more.
    #[must_use]
    pub fn let_go(self) -> Duration {
        self.dead_after() / 2
    }

    /// The pause between AMQP heartbeats. RabbitMQ notices a dead connection after two of them and a moment, which has to be
    /// within [`Pace::dead_after`].
    #[must_use]
    pub fn amqp_heartbeat(self) -> Duration {
        (self.lease / 3).clamp(Duration::from_secs(2), Duration::from_secs(10))
    }
}

/// Most inputs that one round of a duty folds; the rest is found in the next. A whole window of a fan-out, by default.
const ROUND: i64 = 1_000;

/// Whether this replica does what one of them is enough for: the one that has lived longest. While they change over two may
/// do it, which does no harm, or none for a moment.
async fn is_eldest(app: &App, pace: Pace) -> Result<bool, StoreError> {
    Ok(app.store.eldest_replica(pace.silence()).await? == Some(app.context.claim.by))
}

/// What came of a round of a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Something changed: there may be more at once.
    Applied,
    /// All of it was folded, or given up with a word in the log, and nothing changed.
    Idle,
    /// The database is away, or a job of them took too long: the rest is found again, later.
    Broken,
}

/// Folds what a duty found, in one transaction, or in smaller ones where that does not succeed.
async fn fold(app: &App, what: &'static str, inputs: Vec<Input>) -> Round {
    let (mut round, mut too_long) = (Round::Idle, false);
    let mut work = vec![inputs];
    while let Some(mut inputs) = work.pop() {
        let Some(job_id) = inputs.first().map(Input::job_id) else { continue };
        match app.store.fold(&app.context, inputs.clone()).await {
            Ok(folded) => {
                if folded.outcomes.contains(&Outcome::Applied) {
                    round = Round::Applied;
                }
                app.committed(folded);
            }
            Err(error) if error.took_too_long() && inputs.len() == 1 => {
                tracing::error!(%error, job.id = %job_id, "{what} takes too long for a job; it is tried again");
                too_long = true;
            }
            Err(error) if error.is_worth_repeating(inputs.len()) => {
                tracing::warn!(%error, "{what} is tried again");
                return Round::Broken;
            }
            Err(error) if inputs.len() > 1 => {
                tracing::warn!(%error, count = inputs.len(), "{what}: the round is halved");
                let rest = inputs.split_off(inputs.len() / 2);
                work.extend([rest, inputs]);
            }
            Err(error) => tracing::error!(%error, job.id = %job_id, "{what} failed for a job"),
        }
    }
    // What took too long once is not asked for again without a pause.
    if too_long { Round::Broken } else { round }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Desk;

    #[tokio::test]
    async fn one_that_cannot_be_folded_holds_up_no_other_and_is_not_asked_for_without_a_pause() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let mut jobs = Vec::new();
        for _ in 0..5 {
            jobs.push(desk.submit("work").await);
        }
        let bad = jobs[2];
        let client = desk.database.connect().await.expect("a connection");
        let refuse = format!(
            "UPDATE jobs SET dispatch = 0, due_at = clock_timestamp();
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
            CREATE TRIGGER refuse BEFORE UPDATE ON jobs FOR EACH ROW WHEN (OLD.id = '{bad}') EXECUTE FUNCTION refuse()"
        );
        client.batch_execute(&refuse).await.expect("set up");
        let round = async || {
            let due = desk.app.store.due(ROUND).await.expect("read");
            (due.len(), fold(&desk.app, "firing timers", due).await)
        };
        assert_eq!(round().await, (5, Round::Applied));
        let count = "SELECT count(*) FROM jobs WHERE dispatch = 1 AND status = 'pending'";
        let row = client.query_one(count, &[]).await.expect("read");
        assert_eq!(row.get::<_, i64>(0), 4);
        assert_eq!(round().await, (1, Round::Idle), "nothing changed: the next look can wait");
    }

    #[tokio::test]
    async fn what_takes_too_long_together_is_folded_apart() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let inputs = async |count| {
            let mut inputs = Vec::new();
            for _ in 0..count {
                inputs.push(Input::Republish { job_id: desk.submit("work").await, dispatch: 1 });
            }
            inputs
        };
        let (one, five) = (inputs(1).await, inputs(5).await);
        desk.slow_above(1).await;
        assert_eq!(fold(&desk.app, "dispatching again", five).await, Round::Applied);
        desk.slow_above(0).await;
        assert_eq!(fold(&desk.app, "dispatching again", one).await, Round::Broken, "by itself it is tried again");
    }
}
