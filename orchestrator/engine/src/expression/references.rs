//! What an expression looks at, known without evaluating it.

use std::collections::BTreeMap;

/// Which parts of a [`Scope`](crate::expression::Scope) an expression or template reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// The steps, by key, and which of their fields.
    pub steps: BTreeMap<String, StepUse>,
    /// Whether it reads `input`.
    pub input: bool,
    /// Whether it reads `batch`.
    pub batch: bool,
    /// Whether it reads `repeat`.
    pub repeat: bool,
    /// Whether it reads `workflow`.
    pub workflow: bool,
}

/// Which fields of a step are read. `steps.<key>` with no field reads all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepUse {
    /// `steps.<key>.status`
    pub status: bool,
    /// `steps.<key>.result`
    pub result: bool,
    /// `steps.<key>.error`
    pub error: bool,
    /// `steps.<key>.totals`
    pub totals: bool,
}

impl References {
    /// Adds what `other` reads.
    pub fn merge(&mut self, other: &Self) {
        for (key, used) in &other.steps {
            self.steps.entry(key.clone()).or_default().merge(*used);
        }
        self.input |= other.input;
        self.batch |= other.batch;
        self.repeat |= other.repeat;
        self.workflow |= other.workflow;
    }
}

impl StepUse {
    /// Every field.
    pub const ALL: Self = Self { status: true, result: true, error: true, totals: true };

    /// Adds what `other` reads.
    pub const fn merge(&mut self, other: Self) {
        self.status |= other.status;
        self.result |= other.result;
        self.error |= other.error;
        self.totals |= other.totals;
    }
}
