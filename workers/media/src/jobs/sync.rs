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
            return Err(all_failed("could be synced", &result.errors).with_partial(result));
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
            for file in &page {
                go_on(ctx)?;
                match store.sync_file(file.id).await {
                    Ok((created, updated)) => {
                        result.processed += 1;
                        result.created += created;
                        result.updated += updated;
                    }
                    Err(error) if error.is_transient() => return Err(error.into_failure()),
                    Err(error) => {
                        result.failed += 1;
                        let fault = Fault::new(FaultKind::Database, error.to_string());
                        fault::note(ctx, &mut result.errors, &file.path, fault);
                    }
                }
                ctx.processed(result.processed + result.failed, result.total);
            }
        }
        // Files that were found while it ran.
        result.total = result.total.max(result.processed + result.failed);
        Ok(())
    }
}
