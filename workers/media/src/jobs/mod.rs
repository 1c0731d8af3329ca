//! The job types of the media worker, one file each.

mod analysis;
mod apply_plan;
mod approve_plan;
mod draft_plans;
mod generate;
mod generate_pending;
mod media_cleanup;
mod media_scan;
mod pages;
mod plan_totals;
mod process_downloads;
mod refuse_plan;
mod sync;
mod sync_pending;
mod unanalyzed_scenes;

use std::{io, path::Path};

use drover_worker::{JobContext, JobFailure};

pub use analysis::{Analysis, AnalysisParams, AnalysisResult};
pub use apply_plan::{AppliedResult, ApplyPlan};
pub use approve_plan::{ApprovePlan, ApprovedResult, PlanParams};
pub use draft_plans::{DraftParams, DraftPlans, DraftedResult};
pub use generate::{Generate, GenerateParams, GenerateResult, ScenePreviews};
pub use generate_pending::{GeneratePending, GeneratePendingResult};
pub use media_cleanup::{CleanupParams, CleanupResult, MediaCleanup};
pub use media_scan::{MediaScan, ScanParams, ScanResult};
pub use plan_totals::{BatchRecord, PlanTotals, TotalsParams, TotalsResult};
pub use process_downloads::{DownloadsParams, DownloadsResult, ProcessDownloads};
pub use refuse_plan::{RefuseParams, RefusePlan, RefusedResult};
pub use sync::{Sync, SyncParams, SyncResult};
pub use sync_pending::{SyncPending, SyncPendingResult};
pub use unanalyzed_scenes::{UnanalyzedParams, UnanalyzedResult, UnanalyzedScenes};

use crate::text;

/// A job that takes no parameters.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// A parameter that cannot be used; the message names it.
fn invalid(message: impl Into<String>) -> JobFailure {
    JobFailure::permanent("invalid_params", message)
}

/// A folder of the configuration that cannot be used now: it may be a disk that is not mounted yet.
fn unreadable(option: &str, folder: &Path, error: &io::Error) -> JobFailure {
    JobFailure::retryable("io", format!("{option}: cannot read {}: {error}", text::path(folder)))
}

/// Ends the job if it was told to stop.
fn go_on(ctx: &JobContext) -> Result<(), JobFailure> {
    if ctx.is_cancelled() { Err(JobFailure::cancelled()) } else { Ok(()) }
}
