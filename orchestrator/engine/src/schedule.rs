//! What becomes of a schedule's times: which are fired, which wait, which are left out.

use chrono::{DateTime, TimeDelta, Utc};

use crate::definition::{CatchUp, Overlap, Schedule, limits};

/// A time that is this late counts as one at which nothing could be submitted.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// Where a schedule stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// From when on its times are open. None: it is off.
    pub next_at: Option<DateTime<Utc>>,
    /// Times that wait for a run of before, the earliest first.
    pub queued: Vec<DateTime<Utc>>,
    /// Whether a run of before has not ended.
    pub at_work: bool,
}

/// What is to be done now. Each time that was open or queued is in exactly one of `fire`, `queued` and `left_out`, those beyond
/// [`limits::CATCH_UP`] excepted, which are in none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Times to submit a run for, the earliest first.
    pub fire: Vec<DateTime<Utc>>,
    /// Times that wait from now on, the earliest first.
    pub queued: Vec<DateTime<Utc>>,
    /// Times for which there is no run, the earliest first, and why.
    pub left_out: Vec<(DateTime<Utc>, LeftOut)>,
    /// The latest time that was open now.
    pub last_at: Option<DateTime<Utc>>,
    /// From when on times are open after this.
    pub next_at: Option<DateTime<Utc>>,
}

/// Why there is no run for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Nothing could be submitted then.
    Missed,
    /// A run of before had not ended.
    Overlap,
    /// A run of before had not ended, and as many times as may wait waited already.
    QueueFull,
}

/// Decides what becomes of the times that are open by `now`.
#[must_use]
pub fn turn(schedule: &Schedule, standing: &Standing, now: DateTime<Utc>) -> Turn {
    let open = match standing.next_at {
        Some(from) if from <= now => schedule.last_between(from, now, limits::CATCH_UP),
        _ => Vec::new(),
    };
    let next_at = match standing.next_at {
        Some(next_at) if next_at > now => Some(next_at),
        open => open.and_then(|_| schedule.next_after(now)),
    };
    let mut turn = Turn { last_at: open.last().copied(), next_at, ..Turn::default() };
    let kept = caught_up(schedule.catch_up, open, now, &mut turn.left_out);
    let waiting: Vec<DateTime<Utc>> = standing.queued.iter().copied().chain(kept).collect();
    match schedule.overlap {
        Overlap::Allow => turn.fire = waiting,
        Overlap::Skip if standing.at_work => turn.leave_out(waiting, LeftOut::Overlap),
        Overlap::Queue if standing.at_work => turn.queue(waiting),
        Overlap::Skip | Overlap::Queue => {
            let mut waiting = waiting.into_iter();
            turn.fire.extend(waiting.next());
            if schedule.overlap == Overlap::Skip {
                turn.leave_out(waiting.collect(), LeftOut::Overlap);
            } else {
                turn.queue(waiting.collect());
            }
        }
    }
    turn.left_out.sort_by_key(|(at, _)| *at);
    turn
}

/// The times that are not missed, after an outage or without one.
fn caught_up(
    catch_up: CatchUp,
    mut open: Vec<DateTime<Utc>>,
    now: DateTime<Utc>,
    left_out: &mut Vec<(DateTime<Utc>, LeftOut)>,
) -> Vec<DateTime<Utc>> {
    let late = open.partition_point(|at| now - *at > LATE);
    let missed = match catch_up {
        CatchUp::All => 0,
        CatchUp::None => late,
        // Those that are not late are nobody's outage: all of them are fired.
        CatchUp::Last => late.min(open.len().saturating_sub(1)),
    };
    left_out.extend(open.drain(..missed).map(|at| (at, LeftOut::Missed)));
    open
}

impl Turn {
    fn leave_out(&mut self, times: Vec<DateTime<Utc>>, why: LeftOut) {
        self.left_out.extend(times.into_iter().map(|at| (at, why)));
    }

    /// Those that come first keep their places.
    fn queue(&mut self, mut times: Vec<DateTime<Utc>>) {
        let full = times.split_off(times.len().min(limits::QUEUED));
        self.leave_out(full, LeftOut::QueueFull);
        self.queued = times;
    }

    /// Whether nothing was open and nothing waited that could go on.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.fire.is_empty() && self.last_at.is_none() && self.left_out.is_empty()
    }
}

#[cfg(test)]
mod tests;
