//! The broker: queues that deliver at least once. What a connection held comes back when the broker notices its end.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use drover_protocol::{Control, JobEvent, JobMessage, WorkerEvent};

use crate::{Millis, Who, rng::Rng};

/// A connection; a new one each time.
pub(crate) type Conn = u64;
/// A delivery that waits for its ack.
pub(crate) type Tag = u64;

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Queue {
    Jobs(String),
    Events,
    Heartbeats,
    /// The control queue of a connection.
    Control(Conn),
    /// The control exchange: a copy for each control queue.
    Everybody,
    /// Other systems; what comes there has arrived.
    Notifications,
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Job(Arc<JobMessage>),
    Events(Arc<Vec<JobEvent>>),
    /// With the control queue that it names.
    Worker(Arc<WorkerEvent>, Option<Conn>),
    /// When it was sent, by the database's clock.
    Marker(Millis),
    Control(Arc<Control>),
    /// The job and the run that ended.
    Notification(drover_protocol::JobId, u32),
}

#[derive(Default)]
struct Line {
    ready: VecDeque<Body>,
    /// With how much each may hold.
    consumers: Vec<(Conn, usize)>,
}

struct Unacked {
    queue: Queue,
    conn: Conn,
    body: Body,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Broker {
    /// Names its data.
    pub(crate) epoch: u32,
    conns: BTreeMap<Conn, Who>,
    lines: BTreeMap<Queue, Line>,
    unacked: BTreeMap<Tag, Unacked>,
    last: u64,
    /// What was taken last.
    newest: Option<(Queue, Body)>,
}

impl Broker {
    pub(crate) fn connect(&mut self, who: Who) -> Conn {
        self.last += 1;
        self.conns.insert(self.last, who);
        self.last
    }

    pub(crate) fn owner(&self, conn: Conn) -> Option<Who> {
        self.conns.get(&conn).copied()
    }

    pub(crate) fn put(&mut self, queue: Queue, body: Body) {
        if !matches!(body, Body::Marker(_)) {
            self.newest = Some((queue.clone(), body.clone()));
        }
        self.lines.entry(queue).or_default().ready.push_back(body);
    }

    /// The message that was taken last is there twice: its publisher did not hear the confirm.
    pub(crate) fn repeat_last(&mut self) {
        if let Some((queue, body)) = self.newest.clone() {
            self.put(queue, body);
        }
    }

    pub(crate) fn consume(&mut self, conn: Conn, queue: Queue, prefetch: usize) {
        let line = self.lines.entry(queue).or_default();
        line.consumers.retain(|(other, _)| *other != conn);
        line.consumers.push((conn, prefetch));
    }

    pub(crate) fn stop_consuming(&mut self, conn: Conn) {
        for line in self.lines.values_mut() {
            line.consumers.retain(|(other, _)| *other != conn);
        }
    }

    /// Acknowledges a delivery; what it was, if it still could be.
    pub(crate) fn ack(&mut self, conn: Conn, tag: Tag) -> Option<Body> {
        self.unacked.get(&tag).filter(|unacked| unacked.conn == conn)?;
        self.unacked.remove(&tag).map(|unacked| unacked.body)
    }

    pub(crate) fn give_back(&mut self, conn: Conn, tag: Tag) {
        if self.unacked.get(&tag).is_some_and(|unacked| unacked.conn == conn)
            && let Some(unacked) = self.unacked.remove(&tag)
        {
            self.lines.entry(unacked.queue).or_default().ready.push_front(unacked.body);
        }
    }

    /// The broker notices that a connection is gone: what it held comes first again.
    pub(crate) fn close(&mut self, conn: Conn) {
        self.stop_consuming(conn);
        let held: Vec<Tag> =
            self.unacked.iter().filter(|(_, unacked)| unacked.conn == conn).map(|(tag, _)| *tag).collect();
        for tag in held.into_iter().rev() {
            self.give_back(conn, tag);
        }
        self.conns.remove(&conn);
    }

    /// All data is lost, and every connection with it.
    pub(crate) fn lose(&mut self) -> Vec<(Conn, Who)> {
        let conns = std::mem::take(&mut self.conns).into_iter().collect();
        let (epoch, last) = (self.epoch + 1, self.last);
        *self = Self { epoch, last, ..Self::default() };
        conns
    }

    /// Those who hear a broadcast.
    pub(crate) fn listeners(&self) -> Vec<Conn> {
        self.conns.iter().filter(|(_, who)| matches!(who, Who::Worker(_))).map(|(conn, _)| *conn).collect()
    }

    /// Hands out what waits to those who have room.
    pub(crate) fn serve(&mut self, rng: &mut Rng) -> Vec<(Conn, Tag, Queue, Body)> {
        let mut served = Vec::new();
        let queues: Vec<Queue> =
            self.lines.iter().filter(|(_, line)| !line.ready.is_empty()).map(|(queue, _)| queue.clone()).collect();
        for queue in queues {
            while let Some(line) = self.lines.get(&queue) {
                let holds = |conn: Conn| {
                    self.unacked.values().filter(|unacked| unacked.conn == conn && unacked.queue == queue).count()
                };
                let roomy: Vec<Conn> = line
                    .consumers
                    .iter()
                    .filter(|(conn, prefetch)| holds(*conn) < *prefetch)
                    .map(|(conn, _)| *conn)
                    .collect();
                let Some(conn) = rng.of(&roomy) else { break };
                let Some(body) = self.lines.get_mut(&queue).and_then(|line| line.ready.pop_front()) else { break };
                self.last += 1;
                self.unacked.insert(self.last, Unacked { queue: queue.clone(), conn, body: body.clone() });
                served.push((conn, self.last, queue.clone(), body));
            }
        }
        served
    }
}
