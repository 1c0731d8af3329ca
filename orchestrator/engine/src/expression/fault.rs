//! Why an evaluation stopped.

use super::limits;

/// Why a part of an expression has no value.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// A missing key, kinds that do not fit, and the like: the other side of `||` or `&&` may outweigh it.
    Failed(String),
    /// A limit was met: nothing outweighs it, the whole evaluation stops.
    Limit(String),
}

impl Fault {
    pub(super) fn failed<T>(message: impl Into<String>) -> Result<T, Self> {
        Err(Self::Failed(message.into()))
    }

    pub(super) const fn is_limit(&self) -> bool {
        matches!(self, Self::Limit(_))
    }

    pub(super) fn into_message(self) -> String {
        match self {
            Self::Failed(message) | Self::Limit(message) => message,
        }
    }
}

/// The work that is left.
#[derive(Debug)]
pub(super) struct Fuel(u64);

impl Fuel {
    pub(super) const fn new() -> Self {
        Self(limits::FUEL)
    }

    /// Uses up some work.
    pub(super) fn burn(&mut self, units: usize) -> Result<(), Fault> {
        self.0 = self.0.checked_sub(u64::try_from(units).unwrap_or(u64::MAX)).ok_or_else(|| {
            Fault::Limit(format!(
                "the expression does more than {} units of work; do this in a job instead",
                limits::FUEL
            ))
        })?;
        Ok(())
    }

    /// Uses up the work of copying or searching a text, and checks the length of a new one.
    pub(super) fn burn_text(&mut self, bytes: usize) -> Result<(), Fault> {
        check_text(bytes)?;
        self.burn(bytes / 8 + 1)
    }

    /// Uses up the work of building or walking a list, and checks its length.
    pub(super) fn burn_list(&mut self, items: usize) -> Result<(), Fault> {
        check_list(items)?;
        self.burn(items + 1)
    }
}

/// Whether a text may be so long.
pub(super) fn check_text(bytes: usize) -> Result<(), Fault> {
    if bytes > limits::OUTPUT_BYTES {
        return Err(Fault::Limit(format!("a text becomes longer than {} bytes", limits::OUTPUT_BYTES)));
    }
    Ok(())
}

/// Whether a list may be so long.
pub(super) fn check_list(items: usize) -> Result<(), Fault> {
    if items > limits::LIST_ITEMS {
        return Err(Fault::Limit(format!(
            "a list of {items} elements is longer than an expression may work on ({})",
            limits::LIST_ITEMS
        )));
    }
    Ok(())
}
