//! How far blocking work is, and whether it should stop: plain atomics between the thread that works and the job.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

/// The work was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// Shared by the thread that does the work and the job that reports on it.
///
/// Reading files moves `bytes`; `units` are what the job type counts (files, rows).
#[derive(Debug, Default)]
pub struct Meter {
    cancelled: AtomicBool,
    bytes: AtomicU64,
    total_bytes: AtomicU64,
    units: AtomicU64,
    total_units: AtomicU64,
    message: Mutex<String>,
}

/// The numbers of a [`Meter`] at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Bytes read.
    pub bytes: u64,
    /// Bytes there are to read.
    pub total_bytes: u64,
    /// Units done.
    pub units: u64,
    /// Units there are.
    pub total_units: u64,
    /// What is being done.
    pub message: String,
}

impl Reading {
    /// Percent by bytes, below 100 until the end; `None` while the total is unknown.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        if self.total_bytes == 0 {
            return None;
        }
        let per_myriad = u128::from(self.bytes.min(self.total_bytes)) * 10_000 / u128::from(self.total_bytes);
        u32::try_from(per_myriad).ok().map(|hundredths| f64::from(hundredths) / 100.0)
    }
}

impl Meter {
    /// Tells the work to stop at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// Fails once [`Self::cancel`] was called. Cheap: call it in every loop.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.cancelled.load(Relaxed) { Err(Cancelled) } else { Ok(()) }
    }

    /// Sets how much there is to do.
    pub fn expect(&self, total_bytes: u64, total_units: u64) {
        self.total_bytes.store(total_bytes, Relaxed);
        self.total_units.store(total_units, Relaxed);
    }

    /// Counts bytes read.
    pub fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Counts units done.
    pub fn add_units(&self, units: u64) {
        self.units.fetch_add(units, Relaxed);
    }

    /// Says what is being done.
    pub fn say(&self, message: impl Into<String>) {
        *self.message.lock().unwrap_or_else(PoisonError::into_inner) = message.into();
    }

    /// Where the work stands.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            bytes: self.bytes.load(Relaxed),
            total_bytes: self.total_bytes.load(Relaxed),
            units: self.units.load(Relaxed),
            total_units: self.total_units.load(Relaxed),
            message: self.message.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
