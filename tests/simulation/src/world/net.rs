//! Connections: packets travel, are lost, and never overtake one another on their way through the same one.

use super::{Arrival, Message, Packet, Step, World};
use crate::{
    Millis, Who,
    broker::{Body, Conn, Queue},
    plan::Point,
};

impl World {
    pub(super) fn connect(&mut self, who: Who) {
        let Some(process) = self.processes.get_mut(&who).filter(|process| process.conn.is_none()) else { return };
        if process.cut_until > self.now {
            let (wait, life) = (200 + process.rng.below(800), process.life);
            self.after(wait, Step::Connect(who, life));
            return;
        }
        let conn = self.broker.connect(who);
        process.conn = Some(conn);
        match who {
            Who::Orchestrator(number) => self.orchestrator_connected(number),
            Who::Worker(number) => {
                self.voices.extend(self.workers.get(&number).map(|worker| (conn, worker.session)));
                self.worker_connected(number);
            }
        }
    }

    pub(super) fn disconnected(&mut self, who: Who, conn: Conn) {
        let Some(process) = self.processes.get_mut(&who).filter(|process| process.conn == Some(conn)) else { return };
        process.conn = None;
        let life = process.life;
        self.tell(|_| format!("{who} notices that its connection is gone"));
        match who {
            Who::Orchestrator(number) => self.orchestrator_disconnected(number),
            Who::Worker(number) => self.worker_disconnected(number),
        }
        self.after(100, Step::Connect(who, life));
    }

    /// How long a packet travels: mostly a few milliseconds.
    pub(super) fn travel(&mut self, conn: Conn, direction: u8) -> Millis {
        let delay = if self.rng.one_in(25) { self.rng.below(100) } else { self.rng.between(1, 8) };
        let last = self.order.entry((conn, direction)).or_default();
        *last = (self.now + delay).max(*last);
        *last - self.now
    }

    /// Sends on the process's connection; without one nothing is sent.
    pub(crate) fn send(&mut self, who: Who, packet: Packet) -> bool {
        let Some(conn) = self.processes.get(&who).and_then(|process| process.conn) else { return false };
        // Publishing and consuming have a connection each: their packets overtake one another.
        let delay = self.travel(conn, u8::from(matches!(packet, Packet::Publish { .. })));
        self.after(delay, Step::ToBroker(conn, packet));
        true
    }

    pub(super) fn reply(&mut self, conn: Conn, arrival: Arrival) {
        let Some(who) = self.broker.owner(conn) else { return };
        let Some(life) = self.life(who) else { return };
        let delay = self.travel(conn, if matches!(arrival, Arrival::Confirm(_)) { 2 } else { 3 });
        self.after(delay, Step::ToClient(who, life, conn, arrival));
    }

    pub(super) fn at_broker(&mut self, conn: Conn, packet: Packet) {
        let Some(who) = self.broker.owner(conn).filter(|_| !self.cut.contains(&conn)) else { return };
        match packet {
            Packet::Publish { id, messages } => {
                let mut matters = false;
                for Message { queue, body, row } in messages {
                    matters |= matches!(body, Body::Job(_) | Body::Events(_) | Body::Control(_));
                    if let Body::Job(job) = &body {
                        self.tell(|_| format!("the broker has {}/{} of {who}", crate::short(job.id), job.dispatch));
                    }
                    self.ledger.taken(row, &body);
                    self.put(queue, body);
                }
                self.reply(conn, Arrival::Confirm(id));
                self.serve();
                if matters {
                    self.reach(Point::Took, who);
                }
                return;
            }
            Packet::Ack(tags) => {
                for tag in tags {
                    if let Some(body) = self.broker.ack(conn, tag) {
                        self.ledger.acked(self.voices.get(&conn).copied(), &body, &self.database);
                    }
                }
            }
            Packet::GiveBack(tags) => tags.into_iter().rev().for_each(|tag| self.broker.give_back(conn, tag)),
            Packet::Consume { queue, prefetch } => self.broker.consume(conn, queue, prefetch),
            Packet::StopConsuming => self.broker.stop_consuming(conn),
        }
        self.serve();
    }

    pub(super) fn put(&mut self, queue: Queue, body: Body) {
        match queue {
            Queue::Everybody => {
                for conn in self.broker.listeners() {
                    self.reply(conn, Arrival::Delivery(Queue::Control(conn), 0, body.clone()));
                }
            }
            Queue::Control(conn) => self.reply(conn, Arrival::Delivery(Queue::Control(conn), 0, body)),
            Queue::Notifications => {}
            queue => self.broker.put(queue, body),
        }
    }

    pub(super) fn serve(&mut self) {
        for (conn, tag, queue, body) in self.broker.serve(&mut self.rng) {
            self.reply(conn, Arrival::Delivery(queue, tag, body));
        }
    }

    pub(super) fn at_client(&mut self, who: Who, conn: Conn, arrival: Arrival) {
        let known = self.processes.get(&who).is_some_and(|process| process.conn == Some(conn));
        if !known || self.cut.contains(&conn) {
            return;
        }
        match who {
            Who::Orchestrator(number) => self.orchestrator_hears(number, arrival),
            Who::Worker(number) => self.worker_hears(number, arrival),
        }
    }
}
