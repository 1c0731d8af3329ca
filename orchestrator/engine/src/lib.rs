//! What Drover decides: definitions, transitions, progress, cancel, retry.
//!
//! Pure: no clock, no randomness, no IO. `now`, ids and jitter are arguments; what is to be done comes back as
//! [`Command`]s, and whoever executes them feeds the outcome back. The manifest has no dependency that could break this.

pub mod command;
pub mod definition;
pub mod expression;
pub mod fold;
pub mod input;
pub mod job;
pub mod memory;
pub mod progress;
pub mod record;
pub mod replay;
pub mod schedule;
pub mod transition;
pub mod view;
pub mod workflow;

pub use command::Command;
pub use fold::{Catalog, Entropy, Fold, Limits, Tree};
pub use input::{Answer, Ignored, Input, Outcome, Refusal};
pub use job::{Cancel, CancelReason, Job, Parent, PauseReason, Paused, Stamped, WaitFor};
pub use progress::Progress;
pub use record::{Given, Record};
pub use transition::{Next, Trigger};
pub use workflow::{StepState, Workflow};
