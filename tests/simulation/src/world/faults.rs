//! What goes wrong, when the plan says so.

use super::{Step, World};
use crate::{
    Millis, Who,
    plan::{CALM, Entry, NOTICED, Point, What, When},
};

impl World {
    /// A point between two steps: what the plan has for it strikes now. The last thing that a step does.
    pub(crate) fn reach(&mut self, point: Point, who: Who) {
        let count = self.counts.entry(point).or_default();
        *count += 1;
        let count = *count;
        if self.now > CALM {
            return;
        }
        for index in 0..self.entries.len() {
            if let Some(Entry::Fault(When::Nth(wanted, nth), what)) = self.entries.get(index).copied()
                && (wanted, nth) == (point, count)
                && !self.struck[index]
            {
                self.struck[index] = true;
                self.tell(|world| format!("FAULT {} at {who}", world.entries[index]));
                self.strike(who, what);
            }
        }
    }

    pub(super) fn strike_planned(&mut self, index: usize) {
        match self.entries[index] {
            Entry::User(_, act) => self.ask(act),
            Entry::Fault(When::At(_, who), what) => {
                self.tell(|world| format!("FAULT {}", world.entries[index]));
                self.strike(who, what);
            }
            Entry::Fault(When::Nth(..), _) => {}
        }
    }

    pub(super) fn strike(&mut self, who: Who, what: What) {
        match what {
            What::Crash { down, noticed } => self.crash(who, down, noticed),
            What::Terminate { down } => match who {
                Who::Worker(number) => self.terminate(number, down),
                Who::Orchestrator(_) => self.crash(who, down, 1),
            },
            What::Pause { sleep } => self.pause(who, sleep),
            What::Cut { heal, broker, client } => {
                if let Some(process) = self.processes.get_mut(&who) {
                    process.cut_until = self.now + heal;
                }
                self.cut(who, broker, client);
            }
            What::Duplicate => self.broker.repeat_last(),
            What::Outage { away } => self.database.go_away(self.now + away),
            What::BrokerLost => {
                for (conn, who) in self.broker.lose() {
                    if let Some(life) = self.life(who) {
                        self.after(5, Step::ClientNotices(who, life, conn));
                    }
                }
            }
        }
    }

    /// No packet passes any more; each side notices in its time.
    pub(super) fn cut(&mut self, who: Who, broker: Millis, client: Millis) {
        let (Some(conn), Some(life)) = (self.processes.get(&who).and_then(|process| process.conn), self.life(who))
        else {
            return;
        };
        self.cut.insert(conn);
        self.after(broker, Step::BrokerNotices(conn));
        self.after(client, Step::ClientNotices(who, life, conn));
    }

    pub(super) fn pause(&mut self, who: Who, sleep: Millis) {
        let (now, life) = (self.now, self.life(who));
        let Some(process) = self.processes.get_mut(&who) else { return };
        process.asleep_until = process.asleep_until.max(now + sleep);
        if let (Some(conn), Some(life)) = (process.conn, life)
            && sleep >= NOTICED
        {
            // The broker gives up a connection on which nothing comes.
            self.after(NOTICED, Step::BrokerNotices(conn));
            // On waking it first takes up what had come before.
            let late = sleep + self.rng.below(40);
            self.after(late, Step::ClientNotices(who, life, conn));
        }
    }

    /// The process is gone, with all that it knew.
    pub(crate) fn crash(&mut self, who: Who, down: Millis, noticed: Millis) {
        let Some(process) = self.processes.get_mut(&who).filter(|process| process.up) else { return };
        process.up = false;
        if let Some(conn) = process.conn.take() {
            // What it had sent still arrives.
            self.after(noticed, Step::BrokerNotices(conn));
        }
        match who {
            Who::Orchestrator(number) => self.orchestrator_gone(number),
            Who::Worker(number) => self.worker_gone(number),
        }
        self.after(down, Step::Start(who));
    }
}
