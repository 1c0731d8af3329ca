//! The media worker: takes new videos into a library, reads them, analyzes them and makes previews, with ffmpeg.
//!
//! One file per job type is in [`jobs`]; what they share is around it: [`tools`] runs ffmpeg, [`store`] has all SQL,
//! [`downloads`] and [`library`] look at folders, [`suggest`] says what an analysis proposes.

pub mod cli;
pub mod config;
pub mod downloads;
pub mod draft;
pub mod fault;
pub mod fingerprint;
pub mod folders;
pub mod jobs;
pub mod library;
pub mod limits;
pub mod samples;
pub mod store;
pub mod suggest;
pub mod text;
pub mod tools;

use drover_worker::{Worker, WorkerBuilder};

use crate::{
    config::Media,
    jobs::{
        Analysis, ApplyPlan, ApprovePlan, DraftPlans, Generate, GeneratePending, MediaCleanup, MediaScan, PlanTotals,
        ProcessDownloads, RefusePlan, Sync, SyncPending, UnanalyzedScenes,
    },
};

/// The worker with all of its jobs, which touch nothing but the library's folders and its database.
#[must_use]
pub fn worker(media: &Media) -> WorkerBuilder {
    Worker::builder("drover-media-worker")
        .version(env!("CARGO_PKG_VERSION"))
        .job(ProcessDownloads(media.clone()))
        .job(MediaScan(media.clone()))
        .job(SyncPending(media.clone()))
        .job(Sync(media.clone()))
        .job(UnanalyzedScenes(media.clone()))
        .job(Analysis(media.clone()))
        .job(ApprovePlan(media.clone()))
        .job(RefusePlan(media.clone()))
        .job(ApplyPlan(media.clone()))
        .job(PlanTotals(media.clone()))
        .job(DraftPlans(media.clone()))
        .job(GeneratePending(media.clone()))
        .job(Generate(media.clone()))
        .job(MediaCleanup(media.clone()))
}
