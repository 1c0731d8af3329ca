//! Which dispatches must not be run: for each job the highest one, the newest jobs kept.

use std::collections::{HashMap, VecDeque};

use drover_protocol::{JobId, RunningJob};

/// A bounded set of dispatches. A dispatch is in it when it, or a later one of the same job, was inserted.
#[derive(Debug)]
pub(crate) struct Tombstones {
    highest: HashMap<JobId, u32>,
    /// In the order of first insertion: what goes when the set is full.
    order: VecDeque<JobId>,
    limit: usize,
}

impl Tombstones {
    pub(crate) fn new(limit: usize) -> Self {
        Self { highest: HashMap::new(), order: VecDeque::new(), limit }
    }

    pub(crate) fn insert(&mut self, job: RunningJob) {
        if let Some(dispatch) = self.highest.get_mut(&job.job_id) {
            *dispatch = job.dispatch.max(*dispatch);
            return;
        }
        if self.order.len() == self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.highest.remove(&oldest);
        }
        self.highest.insert(job.job_id, job.dispatch);
        self.order.push_back(job.job_id);
    }

    pub(crate) fn contains(&self, job: RunningJob) -> bool {
        self.highest.get(&job.job_id).is_some_and(|dispatch| job.dispatch <= *dispatch)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn job(number: u128, dispatch: u32) -> RunningJob {
        RunningJob { job_id: JobId(Uuid::from_u128(number)), dispatch }
    }

    #[test]
    fn a_later_dispatch_is_not_meant_and_an_earlier_one_is() {
        let mut set = Tombstones::new(10);
        set.insert(job(1, 2));
        assert!(set.contains(job(1, 1)) && set.contains(job(1, 2)));
        assert!(!set.contains(job(1, 3)) && !set.contains(job(2, 1)));
        set.insert(job(1, 1));
        assert!(set.contains(job(1, 2)), "an older cancel that comes late takes nothing back");
    }

    #[test]
    fn the_oldest_goes_when_it_is_full() {
        let mut set = Tombstones::new(2);
        for number in 1..=3 {
            set.insert(job(number, 1));
        }
        assert!(!set.contains(job(1, 1)));
        assert!(set.contains(job(2, 1)) && set.contains(job(3, 1)));
        assert_eq!(set.highest.len(), 2);
    }
}
