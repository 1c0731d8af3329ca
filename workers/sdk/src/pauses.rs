//! Which job types are paused, as this worker was told last.

use drover_protocol::{JobType, PausedTypes};
use tokio::sync::watch;

/// See the module.
pub(crate) struct Pauses {
    told: watch::Sender<PausedTypes>,
}

impl Pauses {
    /// Nothing is paused before anything was told.
    pub(crate) fn new() -> Self {
        Self { told: watch::Sender::new(PausedTypes::default()) }
    }

    /// Obeys a set, unless a newer one was told before. Whether it does. From here on no job of a paused type begins.
    pub(crate) fn obey(&self, told: PausedTypes) -> bool {
        self.told.send_if_modified(|known| {
            let newer = told.version > known.version;
            if newer {
                *known = told;
            }
            newer
        })
    }

    /// The version that is obeyed.
    pub(crate) fn version(&self) -> u64 {
        self.told.borrow().version
    }

    /// Begins a job unless its type is paused. Nothing is obeyed while `begin` runs, so that whoever is told that a pause is
    /// obeyed knows that what began before it is under way.
    pub(crate) fn begin<T>(&self, job_type: &JobType, begin: impl FnOnce() -> T) -> Option<T> {
        let told = self.told.borrow();
        (!told.covers(job_type)).then(begin)
    }

    /// Waits until jobs of this type are not to be taken.
    pub(crate) async fn paused(&self, job_type: &JobType) {
        // The sender lives in `self`, so this ends with a pause only.
        self.told.subscribe().wait_for(|told| told.covers(job_type)).await.ok();
    }

    /// Waits until jobs of this type may be taken.
    pub(crate) async fn lifted(&self, job_type: &JobType) {
        self.told.subscribe().wait_for(|told| !told.covers(job_type)).await.ok();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_older_set_never_wins() {
        let pauses = Pauses::new();
        let work: JobType = "work".parse().unwrap();
        let set = |version, types: &[&JobType]| PausedTypes {
            version,
            all: false,
            types: types.iter().copied().cloned().collect(),
        };
        assert!(pauses.obey(set(5, &[&work])));
        assert!(!pauses.obey(set(4, &[])) && !pauses.obey(set(5, &[])));
        assert_eq!((pauses.version(), pauses.begin(&work, || ())), (5, None));
        assert_eq!(pauses.begin(&"other".parse().unwrap(), || 7), Some(7));
        assert!(pauses.obey(set(6, &[])));
        assert_eq!(pauses.begin(&work, || ()), Some(()));
        assert!(pauses.obey(PausedTypes { version: 7, all: true, ..PausedTypes::default() }));
        assert_eq!(pauses.begin(&work, || ()), None);
    }
}
