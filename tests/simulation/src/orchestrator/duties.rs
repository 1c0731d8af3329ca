//! The periodic duties.

use drover_protocol::JobStatus;

use super::{Duty, Purpose, Step};
use crate::{
    BEAT, Who,
    broker::{Body, Queue},
    database::Work,
    fleet::PRESSING,
    rules::Rule,
    world::{Message, Packet, World},
};

impl World {
    pub(super) fn tick(&mut self, number: u64, duty: Duty) {
        let away = self.now < self.database.away_until;
        let waits = |job: &drover_engine::Job| {
            job.status == JobStatus::Cancelling || job.paused.as_ref().is_some_and(|paused| paused.reason.is_over())
        };
        let cancelling = || self.database.store.rows.values().any(|row| waits(&row.job));
        let wait = match duty {
            Duty::Beat | Duty::Cancels if cancelling() => PRESSING,
            Duty::Beat | Duty::Leases => BEAT,
            Duty::Timers => 400,
            Duty::Cancels | Duty::Sweep => 1_000,
            Duty::Epoch => 60_000,
        };
        if away {
            let wait = if matches!(duty, Duty::Epoch) { 2_000 } else { wait };
            self.orchestrate_after(number, wait, Step::Tick(duty));
            return;
        }
        let mut found = Vec::new();
        match duty {
            Duty::Beat => self.beat(number),
            Duty::Timers => found = self.database.due(self.now),
            Duty::Leases if self.broken == Some(Rule::LeasesExpire) => {}
            Duty::Leases => found = self.fleet.lost_leases(self.now, &self.database),
            Duty::Cancels => found = self.fleet.settled(&self.database, self.broken),
            Duty::Sweep if self.broken == Some(Rule::OutboxIsSwept) => {}
            Duty::Sweep => {
                let rows = self.database.claim(self.now);
                if !rows.is_empty() {
                    self.orchestrate_soon(number, Step::Send(rows));
                }
            }
            Duty::Epoch => return self.look_at_epoch(number),
        }
        if !found.is_empty() {
            self.orchestrate_soon(number, Step::Begin(Purpose::Duty, Work::Fold(found)));
        }
        self.orchestrate_after(number, wait, Step::Tick(duty));
    }

    pub(super) fn beat(&mut self, number: u64) {
        let now = self.now;
        let Some(orchestrator) = self.orchestrators.get(&number) else { return };
        let mut through = orchestrator.through(now);
        if let Some((held, _)) = orchestrator.held.filter(|(_, until)| *until > now) {
            through = through.min(held);
        }
        let replica = orchestrator.replica;
        self.fleet.beat(now, replica, through);
        let marker = |queue| Message { queue, body: Body::Marker(now), row: None };
        let messages = vec![marker(Queue::Events), marker(Queue::Heartbeats)];
        let id = self.database.number();
        self.send(Who::Orchestrator(number), Packet::Publish { id, messages });
    }

    /// When the broker came back without what it held, what it held is dispatched again.
    pub(super) fn look_at_epoch(&mut self, number: u64) {
        let connected = self.processes.get(&Who::Orchestrator(number)).is_some_and(|process| process.conn.is_some());
        let epoch = self.broker.epoch;
        let Some(orchestrator) = self.orchestrators.get_mut(&number) else { return };
        if !connected {
            return;
        }
        orchestrator.epoch = Some(epoch);
        if orchestrator.recovered == Some(epoch) || self.broken == Some(Rule::LostBrokerIsRecovered) {
            return;
        }
        let lost = self.database.lost_dispatches(epoch, self.broken);
        if lost.is_empty() {
            orchestrator.recovered = Some(epoch);
        } else {
            self.orchestrate_soon(number, Step::Begin(Purpose::Recover(epoch), Work::Fold(lost)));
            // Should that fail.
            self.orchestrate_after(number, 2_000, Step::Tick(Duty::Epoch));
        }
    }
}
