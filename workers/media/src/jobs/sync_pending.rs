//! `sync_pending`: how many files are to be synced.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NoParams;
use crate::{config::Media, text::count};

/// Counts the files whose scenes are not what the files are. A database that does not answer is a failure, never 0.
#[derive(Clone, Debug)]
pub struct SyncPending(pub Media);

/// The count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncPendingResult {
    /// Files to be synced.
    pub pending: u64,
}

#[async_trait]
impl Job for SyncPending {
    const TYPE: &'static str = "sync_pending";
    const TITLE: &'static str = "Count what is to be synced";
    type Params = NoParams;
    type Result = SyncPendingResult;

    async fn run(&self, ctx: &JobContext, _: NoParams) -> Result<Outcome<SyncPendingResult>, JobFailure> {
        let pending = self.0.store.count_pending_files(false).await.map_err(|error| error.into_failure())?;
        ctx.message(format!("{} to sync", count(pending, "file")));
        Ok(SyncPendingResult { pending }.into())
    }
}
