//! The trait that a job type implements.

use async_trait::async_trait;
use drover_protocol::JobError;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{JobContext, JobFailure};

/// One type of job: typed parameters in, a typed result out.
///
/// A job may be run again after a crash, a lost connection or a retry: make `run` safe to repeat, with
/// [`JobContext::idempotency_key`] where an effect must happen once.
#[async_trait]
pub trait Job: Send + Sync + 'static {
    /// The type's name: what submissions, definitions and the queue call it.
    const TYPE: &'static str;
    /// What a person calls it.
    const TITLE: &'static str;
    /// What `processed` and `total` count: `files`, `rows`, …
    const UNIT: Option<&'static str> = None;
    /// How many of this type run at once in one process, if fewer than the worker's own concurrency.
    const CONCURRENCY: Option<u32> = None;

    /// The parameters. A message whose `params` do not fit fails its job with kind `invalid_params`.
    type Params: DeserializeOwned + JsonSchema + Send;
    /// The result.
    type Result: Serialize + JsonSchema + Send;

    /// Does the work.
    ///
    /// # Errors
    /// A [`JobFailure`]: what went wrong, whether another attempt may help, and the partial result if there is one.
    async fn run(&self, ctx: &JobContext, params: Self::Params) -> Result<Outcome<Self::Result>, JobFailure>;
}

/// How a job ended well.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<R> {
    /// All that was asked is done.
    Completed(R),
    /// Done, and there is something a person should know.
    CompletedWithWarnings(R, Vec<String>),
    /// Part of it failed; the rest is in the result.
    CompletedWithErrors(R, Vec<JobError>),
}

impl<R> From<R> for Outcome<R> {
    fn from(result: R) -> Self {
        Self::Completed(result)
    }
}
