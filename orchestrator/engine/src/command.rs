//! What is to be done, as the engine decides it. Whoever executes a command feeds its outcome back into the fold.

use std::collections::BTreeSet;

use drover_protocol::{JobId, RunningJob, WorkerSession};
use serde_json::Value;

use crate::{Record, expression::Template};

/// One thing to be done. Those that ask for data (`Load`, `Advance`, `Assemble`, `Expand`, `Window`) are answered within the same
/// transaction; the others are carried out after the fold, in the transaction or through the outbox.
#[derive(Clone, Debug)]
pub enum Command {
    /// Read these jobs into the tree, then advance the workflow.
    Load {
        /// Who waits for them.
        workflow: JobId,
        /// The jobs.
        jobs: Vec<JobId>,
    },
    /// Read what the workflow's next expressions refer to, then call [`crate::Fold::advance`].
    Advance {
        /// The workflow.
        workflow: JobId,
        /// Keys of the steps whose results are needed.
        results: BTreeSet<String>,
    },
    /// Put the workflow's result together with [`crate::view::result`] before anything reads it.
    Assemble {
        /// The workflow.
        workflow: JobId,
        /// The summary, complete.
        summary: Value,
    },
    /// Write the items of a fan-out, cut into batches, then call [`crate::Fold::expanded`].
    Expand {
        /// The workflow.
        workflow: JobId,
        /// Index of its step.
        step: usize,
        /// Where the items are.
        source: ItemsSource,
        /// Most items of a batch.
        batch_size: u32,
        /// The batches' parameters, with everything filled in that is not the batch's own.
        template: Template,
    },
    /// Read the next batches of a fan-out, from `cursor` on, at most `count` of those that have not completed or whose
    /// completion does not count, then call [`crate::Fold::dispatch_batches`].
    Window {
        /// The workflow.
        workflow: JobId,
        /// Index of its step.
        step: usize,
        /// Index of the first batch to look at.
        cursor: u32,
        /// At most this many.
        count: u32,
        /// From this batch on all are begun, whatever an earlier run completed.
        redo_from: u32,
    },
    /// Publish the job message of this dispatch.
    Publish {
        /// The job.
        job_id: JobId,
        /// The dispatch.
        dispatch: u32,
    },
    /// Broadcast that this dispatch is cancelled, and keep its tombstone.
    Tombstone(RunningJob),
    /// Broadcast that this dispatch is not to be started, and keep note of it. A worker that has begun it goes on.
    Withdraw(RunningJob),
    /// Tell one worker that this dispatch is not its own.
    Stop {
        /// The worker.
        session: WorkerSession,
        /// The job and the dispatch it runs.
        job: RunningJob,
    },
    /// Keep a chunk of an items list.
    StoreItems {
        /// The job.
        job_id: JobId,
        /// The dispatch that sent it.
        dispatch: u32,
        /// The event's sequence number.
        seq: u64,
        /// The list.
        name: String,
        /// The chunk.
        values: Vec<Value>,
    },
    /// Keep a line of the history.
    Record(Record),
    /// Tell other systems that the job ended.
    Notify {
        /// The job.
        job_id: JobId,
    },
}

impl Command {
    /// The workflow that asks, if it is a question.
    pub(crate) const fn asker(&self) -> Option<JobId> {
        match self {
            Self::Load { workflow, .. }
            | Self::Advance { workflow, .. }
            | Self::Assemble { workflow, .. }
            | Self::Expand { workflow, .. }
            | Self::Window { workflow, .. } => Some(*workflow),
            Self::Publish { .. }
            | Self::Tombstone(_)
            | Self::Withdraw(_)
            | Self::Stop { .. }
            | Self::StoreItems { .. }
            | Self::Record(_)
            | Self::Notify { .. } => None,
        }
    }
}

/// Where the items of a fan-out are.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemsSource {
    /// Here.
    Inline(Vec<Value>),
    /// In an items list that a sub-job sent.
    List {
        /// The sub-job.
        job_id: JobId,
        /// The list.
        name: String,
        /// How many values it has.
        count: u64,
    },
}
