//! The limits of definitions.

use std::time::Duration;

/// Largest document, in bytes.
pub const DOCUMENT_BYTES: usize = 256 * 1024;
/// Most bytes of all keys and texts of a document, aliases counted as often as they are used.
pub const TEXT_BYTES: usize = 1024 * 1024;
/// Most values of a document, aliases counted as often as they are used.
pub const DOCUMENT_NODES: usize = 50_000;
/// Deepest nesting of a document's lists and mappings.
pub const DOCUMENT_DEPTH: usize = 64;
/// Most steps of one definition, cleanup steps and the steps of nested chains included.
pub const STEPS: usize = 100;
/// How deep `steps` may stand inside `steps`; the outermost is level 1.
pub const NESTING: usize = 4;
/// Longest step key, in bytes.
pub const KEY_BYTES: usize = 64;
/// Longest title, in characters.
pub const TITLE_CHARS: usize = 200;
/// Largest weight of a step.
pub const WEIGHT: u32 = 1_000_000;
/// Most items of a batch.
pub const BATCH_SIZE: u32 = 10_000;
/// How many batches of a step run at once when the definition does not say.
pub const DEFAULT_MAX_PARALLEL: u32 = 16;
/// Most batches of a step at once.
pub const MAX_PARALLEL: u32 = 1_000;
/// Most attempts of a job.
pub const ATTEMPTS: u32 = 100;
/// Longest timeout and longest wait before an attempt.
pub const TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most rounds of a step that is repeated.
pub const ROUNDS: u32 = 10_000;
/// Most `finish_if` entries of a step.
pub const FINISH_IF: usize = 20;
/// Longest cron text, in bytes.
pub const CRON_BYTES: usize = 200;
/// Most times of a schedule that are made up for after an outage.
pub const CATCH_UP: usize = 100;
/// Most times of a schedule that wait for a run of before.
pub const QUEUED: usize = 100;
/// Most problems that are listed; the rest is counted.
pub const PROBLEMS: usize = 50;
/// Most problems that are remembered until they are sorted, so that a document full of them stays cheap.
pub const PROBLEMS_KEPT: usize = 1_000;
