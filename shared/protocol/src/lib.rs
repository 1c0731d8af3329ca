//! The messages that Drover's processes and other systems exchange.
//!
//! Everything here is data: no IO, no clock, no randomness. What we send is strict; what we receive may carry fields
//! that this version does not know, and they are ignored. A message's `type` property names its shape and major
//! version (`drover.job.v1`); another major version is refused.

pub mod asyncapi;
mod check;
pub mod control;
pub mod event;
pub mod example;
pub mod ids;
pub mod job;
pub mod limits;
pub mod message;
mod misfit;
pub mod names;
pub mod notification;
pub mod schema;
pub mod status;
pub mod submission;
pub mod worker;

pub use control::{Control, PausedTypes};
pub use event::{JobError, JobEvent, JobEventKind, LogLevel, ProgressReport};
pub use ids::{ControlId, JobId, WorkerSession};
pub use job::JobMessage;
pub use message::{DecodeError, MessageType, decode, decode_one_or_many, encode};
pub use names::{JobType, Names};
pub use notification::Notification;
pub use status::{JobStatus, StepStatus};
pub use submission::{Submission, SubmissionError, SubmissionReply};
pub use worker::{JobTypeInfo, RunningJob, WorkerEvent, WorkerEventKind};
