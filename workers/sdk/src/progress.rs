//! How far a job is: reports are merged as they come, and the latest state is sent at a bounded rate.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use drover_protocol::{ProgressReport, limits};
use tokio::time::Instant;

use crate::text;

/// The progress of one job: each field's latest value, and whether the reporter knows that there is something to send.
///
/// A report costs one lock that only the job itself and, a few times a second, the reporter take.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    inner: Mutex<Inner>,
    dirty: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    latest: ProgressReport,
    taken_at: Option<Instant>,
}

impl Progress {
    /// Merges a report; an absent field keeps its value, and percent never goes down. `true`: the reporter must be told, for the first time since it
    /// last took a snapshot.
    pub(crate) fn update(&self, report: ProgressReport) -> bool {
        let mut inner = self.lock();
        let latest = &mut inner.latest;
        if let Some(percent) = report.percent.filter(|percent| !percent.is_nan()) {
            // The highest, as for the bar: which reports are merged must not decide where it stands.
            latest.percent = Some(percent.clamp(latest.percent.unwrap_or(0.0), 100.0));
        }
        latest.processed = report.processed.map(storable).or(latest.processed);
        latest.total = report.total.map(storable).or(latest.total);
        if let Some(message) = report.message {
            latest.message = Some(text::clean(message, limits::PROGRESS_MESSAGE_BYTES));
        }
        drop(inner);
        !self.dirty.swap(true, Ordering::AcqRel)
    }

    /// Everything known by now, to be sent; later reports are news again.
    pub(crate) fn take(&self) -> ProgressReport {
        self.dirty.store(false, Ordering::Release);
        let mut inner = self.lock();
        inner.taken_at = Some(Instant::now());
        inner.latest.clone()
    }

    /// When the news may be sent: `interval` after the last snapshot, and never without `delay`, in which the job may end.
    pub(crate) fn due(&self, interval: Duration, delay: Duration) -> Instant {
        let earliest = Instant::now() + delay;
        self.lock().taken_at.map_or(earliest, |taken_at| earliest.max(taken_at + interval))
    }

    /// Everything known by now; `None` when nothing was ever reported.
    pub(crate) fn snapshot(&self) -> Option<ProgressReport> {
        let latest = self.lock().latest.clone();
        (latest != ProgressReport::default()).then_some(latest)
    }

    /// The last snapshot was not confirmed: there is something to send again. `true` as for [`Progress::update`].
    pub(crate) fn touch(&self) -> bool {
        !self.dirty.swap(true, Ordering::AcqRel)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The database counts in signed 64 bits.
fn storable(count: u64) -> u64 {
    count.min(i64::MAX.unsigned_abs())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_latest_value_of_each_field_wins_and_none_keeps() {
        let progress = Progress::default();
        assert_eq!(progress.snapshot(), None);
        assert!(progress.update(ProgressReport { percent: Some(10.0), processed: Some(1), ..Default::default() }));
        assert!(!progress.update(ProgressReport { message: Some("reading".into()), ..Default::default() }));
        assert!(!progress.update(ProgressReport { processed: Some(2), total: Some(4), ..Default::default() }));
        let expected =
            ProgressReport { percent: Some(10.0), message: Some("reading".into()), processed: Some(2), total: Some(4) };
        assert_eq!(progress.take(), expected);
        assert_eq!(progress.snapshot(), Some(expected));
        assert!(progress.update(ProgressReport::default()), "a report after a snapshot is news");
    }

    #[test]
    fn percent_keeps_its_high_water_mark() {
        let progress = Progress::default();
        for percent in [60.0, 40.0, -1.0] {
            progress.update(ProgressReport { percent: Some(percent), ..Default::default() });
        }
        assert_eq!(progress.take().percent, Some(60.0));
        progress.update(ProgressReport { percent: Some(75.0), ..Default::default() });
        assert_eq!(progress.snapshot().unwrap().percent, Some(75.0));
    }

    #[test]
    fn values_that_the_wire_refuses_are_mended() {
        let progress = Progress::default();
        progress.update(ProgressReport {
            percent: Some(250.0),
            processed: Some(u64::MAX),
            message: Some("x".repeat(10_000)),
            ..Default::default()
        });
        progress.update(ProgressReport { percent: Some(f64::NAN), ..Default::default() });
        let latest = progress.snapshot().unwrap();
        assert_eq!(latest.percent, Some(100.0));
        assert_eq!(latest.processed, Some(i64::MAX.unsigned_abs()));
        assert_eq!(latest.message.unwrap().len(), limits::PROGRESS_MESSAGE_BYTES);
    }
}
