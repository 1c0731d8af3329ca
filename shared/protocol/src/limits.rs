//! The limits on everything that crosses the wire. RabbitMQ 4 refuses messages above 16 MiB; ours stay far below, since
//! every message is held in memory by the broker, the relay and the intake at once.

/// Largest body of one message, in bytes, unless configured otherwise. Longer lists travel as `items` events.
pub const MESSAGE_BYTES: usize = 1024 * 1024;
/// Longest `message` of a progress report, in bytes. Longer ones are cut by the SDK and refused by the orchestrator.
pub const PROGRESS_MESSAGE_BYTES: usize = 4 * 1024;
/// Longest text of one log line, in bytes.
pub const LOG_MESSAGE_BYTES: usize = 16 * 1024;
/// Longest `message` of a job's error, in bytes.
pub const ERROR_MESSAGE_BYTES: usize = 16 * 1024;
/// Longest `kind` of a job's error, in bytes.
pub const ERROR_KIND_BYTES: usize = 64;
/// Most errors or warnings a completed event lists. Further ones are counted in the last entry.
pub const ERRORS_PER_RESULT: usize = 100;
/// Longest name of a job type, an items list or a step, in bytes.
pub const NAME_BYTES: usize = 64;
/// Longest idempotency key or `message_id` of a submission, in bytes.
pub const KEY_BYTES: usize = 255;
/// Most labels of one job.
pub const LABELS: usize = 32;
/// Most events in one message.
pub const EVENTS_PER_MESSAGE: usize = 1_000;
/// Most `items` lists of one result.
pub const ITEM_LISTS: usize = 32;
/// Most values in one `items` event.
pub const ITEMS_PER_EVENT: usize = 10_000;
/// Longest timeout of a job and longest lease, in seconds: ten years, which every clock type can add to now.
pub const TIMEOUT_SECONDS: f64 = 10.0 * 365.0 * 86_400.0;
