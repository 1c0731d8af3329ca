//! `sync`: files become scenes.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::go_on;
use crate::{
    config::Media,
    fault::{self, Fault, FaultKind, ItemError, all_failed, outcome},
    limits::PAGE,
    store::PendingFile,
    text::count,
};

/// Makes scenes of new files, and brings those of changed, moved and missing files up to date. Safe to repeat.
#[derive(Clone, Debug)]
pub struct Sync(pub Media);

/// Which files.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncParams {
    /// All files, whether or not they changed.
    #[serde(default)]
    pub force: bool,
}

/// What became of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncResult {
    /// Files to be synced.
    pub total: u64,
    /// Files synced.
    pub processed: u64,
    /// Scenes made.
    pub created: u64,
    /// Scenes brought up to date.
    pub updated: u64,
    /// Files that could not be synced.
    pub failed: u64,
    /// Why: the first of them.
    pub errors: Vec<ItemError>,
}

#[async_trait]
impl Job for Sync {
    const TYPE: &'static str = "sync";
    const TITLE: &'static str = "Sync files to scenes";
    const UNIT: Option<&'static str> = Some("files");
    type Params = SyncParams;
    type Result = SyncResult;

    async fn run(&self, ctx: &JobContext, params: SyncParams) -> Result<Outcome<SyncResult>, JobFailure> {
        let mut result = SyncResult::default();
        if let Err(failure) = self.all(ctx, params.force, &mut result).await {
            return Err(failure.with_partial(result));
        }
        if result.failed > 0 && result.processed == 0 {
            return Err(all_failed(&count(result.failed, "file"), "synced", &result.errors).with_partial(result));
        }
        ctx.message(format!("{} made, {} updated", count(result.created, "scene"), result.updated));
        let errors = result.errors.clone();
        Ok(outcome(result, &errors))
    }
}

impl Sync {
    async fn all(&self, ctx: &JobContext, force: bool, result: &mut SyncResult) -> Result<(), JobFailure> {
        let store = &self.0.store;
        result.total = store.count_pending_files(force).await.map_err(|error| error.into_failure())?;
        ctx.processed(0, result.total);
        let mut after = 0;
        loop {
            let page = store.pending_files(after, force, PAGE).await.map_err(|error| error.into_failure())?;
            let Some(last) = page.last() else { break };
            after = last.id;
            self.page(ctx, &page, result).await?;
        }
        // Files that were found while it ran.
        result.total = result.total.max(result.processed + result.failed);
        Ok(())
    }

    /// Syncs files by one statement. What the database refuses is tried again in halves, until the file that it does not take
    /// stands alone.
    async fn page(&self, ctx: &JobContext, files: &[PendingFile], result: &mut SyncResult) -> Result<(), JobFailure> {
        let mut parts = vec![files];
        while let Some(part) = parts.pop() {
            go_on(ctx)?;
            let ids: Vec<i64> = part.iter().map(|file| file.id).collect();
            match (self.0.store.sync_files(&ids).await, part) {
                (Ok((created, updated)), _) => {
                    result.processed += part.len() as u64;
                    result.created += created;
                    result.updated += updated;
                }
                (Err(error), _) if error.is_transient() => return Err(error.into_failure()),
                (Err(error), [file]) => {
                    result.failed += 1;
                    let fault = Fault::new(FaultKind::Database, error.to_string());
                    fault::note(ctx, &mut result.errors, &file.path, fault);
                }
                (Err(_), _) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
            ctx.processed(result.processed + result.failed, result.total);
        }
        Ok(())
    }
}
