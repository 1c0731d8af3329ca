//! `media_cleanup`: what nobody needs any more goes.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::go_on;
use crate::{
    config::Media,
    draft::TEMP_PREFIX,
    fault::{self, Fault, ItemError, outcome},
    limits::PAGE,
    store::StoreError,
    text::{self, count},
};

/// Removes scenes that lost their file for good, previews without scene, temporary files of dead runs, and old plans. Safe
/// to repeat. Never touches a video.
#[derive(Clone, Debug)]
pub struct MediaCleanup(pub Media);

/// What counts as old.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanupParams {
    /// Days that a scene is kept without its file: it may come back.
    #[serde(default = "missing_days")]
    #[schemars(range(min = 0, max = 36500))]
    pub missing_days: u16,
    /// Days after which a plan that is not applied is put aside.
    #[serde(default = "stale_days")]
    #[schemars(range(min = 0, max = 36500))]
    pub stale_days: u16,
    /// Days that a plan is kept after it was put aside.
    #[serde(default = "draft_days")]
    #[schemars(range(min = 0, max = 36500))]
    pub draft_days: u16,
    /// Hours after which a temporary file belongs to no run any more.
    #[serde(default = "temp_hours")]
    #[schemars(range(min = 0, max = 8760))]
    pub temp_hours: u16,
}

const fn missing_days() -> u16 {
    30
}

/// Longer than a plan of `process_new_scenes` waits for its approval.
const fn stale_days() -> u16 {
    8
}

const fn draft_days() -> u16 {
    30
}

/// Longer than ffmpeg may work on a file.
const fn temp_hours() -> u16 {
    48
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CleanupResult {
    /// Scenes removed, with their tags and markers.
    pub scenes_removed: u64,
    /// Folders of previews removed, whose scene is not there.
    pub folders_removed: u64,
    /// Previews forgotten, whose files are not there: they are made again.
    pub previews_forgotten: u64,
    /// Temporary files removed.
    pub temp_files_removed: u64,
    /// Bytes of all files removed.
    pub freed_bytes: u64,
    /// Plans put aside.
    pub plans_drafted: u64,
    /// Plans removed.
    pub plans_removed: u64,
    /// What could not be removed.
    pub errors: Vec<ItemError>,
}

#[async_trait]
impl Job for MediaCleanup {
    const TYPE: &'static str = "media_cleanup";
    const TITLE: &'static str = "Clean the library up";
    type Params = CleanupParams;
    type Result = CleanupResult;

    async fn run(&self, ctx: &JobContext, params: CleanupParams) -> Result<Outcome<CleanupResult>, JobFailure> {
        let mut result = CleanupResult::default();
        match self.all(ctx, &params, &mut result).await {
            Ok(()) => {
                ctx.message(format!(
                    "{} and {} removed",
                    count(result.scenes_removed, "scene"),
                    count(result.temp_files_removed, "temporary file")
                ));
                let errors = result.errors.clone();
                Ok(outcome(result, &errors))
            }
            Err(failure) => Err(failure.with_partial(result)),
        }
    }
}

impl MediaCleanup {
    async fn all(
        &self,
        ctx: &JobContext,
        params: &CleanupParams,
        result: &mut CleanupResult,
    ) -> Result<(), JobFailure> {
        let store = &self.0.store;
        let database = StoreError::into_failure;
        ctx.message("Removing old plans and scenes");
        result.plans_drafted = store.draft_stale_plans(params.stale_days.into()).await.map_err(database)?;
        result.plans_removed = store.delete_old_drafts(params.draft_days.into()).await.map_err(database)?;
        result.scenes_removed = store.delete_missing_scenes(params.missing_days.into()).await.map_err(database)?;
        store.delete_orphaned_generated().await.map_err(database)?;
        self.forget_lost_previews(ctx, result).await?;
        self.remove_orphaned_folders(ctx, result).await?;
        ctx.message("Removing temporary files");
        let before = SystemTime::now().checked_sub(Duration::from_secs(u64::from(params.temp_hours) * 3_600));
        let Some(before) = before else { return Ok(()) };
        for folder in [&self.0.folders.library, &self.0.folders.generated] {
            let (looking, at) = (ctx.clone(), folder.clone());
            let removed = ctx.blocking(move || remove_temps(&at, before, || looking.is_cancelled())).await?;
            result.temp_files_removed += removed.files;
            result.freed_bytes += removed.bytes;
            for (path, fault) in removed.faults {
                fault::note(ctx, &mut result.errors, text::path(&path), fault);
            }
            go_on(ctx)?;
        }
        Ok(())
    }

    /// Previews of which a file was removed by somebody are forgotten, and made again.
    async fn forget_lost_previews(&self, ctx: &JobContext, result: &mut CleanupResult) -> Result<(), JobFailure> {
        let store = &self.0.store;
        let mut after = (0, String::new());
        loop {
            go_on(ctx)?;
            let page = store.generated_after((after.0, &after.1), PAGE).await.map_err(StoreError::into_failure)?;
            let Some((scene, kind, _)) = page.last() else { return Ok(()) };
            after = (*scene, kind.clone());
            let is_lost = |paths: &[String]| paths.iter().any(|path| crate::library::is_gone(Path::new(path)));
            let lost = ctx
                .blocking(move || page.into_iter().filter(|(_, _, paths)| is_lost(paths)).collect::<Vec<_>>())
                .await?;
            let (scenes, kinds): (Vec<i64>, Vec<String>) =
                lost.into_iter().map(|(scene, kind, _)| (scene, kind)).unzip();
            if !scenes.is_empty() {
                result.previews_forgotten +=
                    store.delete_generated(&scenes, &kinds).await.map_err(StoreError::into_failure)?;
            }
        }
    }

    /// Folders of previews are called by the id of their scene; what is called otherwise is not ours.
    async fn remove_orphaned_folders(&self, ctx: &JobContext, result: &mut CleanupResult) -> Result<(), JobFailure> {
        let folder = self.0.folders.generated.clone();
        let at = folder.clone();
        let ids = ctx.blocking(move || scene_folders(&at)).await?;
        let ids = ids.map_err(|error| super::unreadable("--generated", &folder, &error))?;
        for page in ids.chunks(usize::try_from(PAGE)?) {
            go_on(ctx)?;
            let there = self.0.store.existing_scenes(page).await.map_err(StoreError::into_failure)?;
            for id in page.iter().filter(|id| !there.contains(id)) {
                let path = self.0.folders.of_scene(*id);
                let at = path.clone();
                match ctx.blocking(move || (size_of(&at), std::fs::remove_dir_all(&at))).await? {
                    (bytes, Ok(())) => {
                        result.folders_removed += 1;
                        result.freed_bytes += bytes;
                    }
                    (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
                    (_, Err(error)) => {
                        fault::note(ctx, &mut result.errors, text::path(&path), Fault::io("remove it", &error));
                    }
                }
            }
        }
        Ok(())
    }
}

fn scene_folders(folder: &Path) -> io::Result<Vec<i64>> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| name.parse::<i64>().ok());
        // As this worker writes it: not `007`.
        let id = id.filter(|id| *id > 0 && *entry.file_name() == *id.to_string());
        if entry.file_type()?.is_dir() {
            ids.extend(id);
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

fn size_of(folder: &Path) -> u64 {
    let files = WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    files.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[derive(Default)]
struct Removed {
    files: u64,
    bytes: u64,
    faults: Vec<(PathBuf, Fault)>,
}

fn remove_temps(folder: &Path, before: SystemTime, is_cancelled: impl Fn() -> bool) -> Removed {
    let mut removed = Removed::default();
    for entry in WalkDir::new(folder).into_iter().flatten() {
        if is_cancelled() {
            break;
        }
        let is_temp =
            entry.file_type().is_file() && entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMP_PREFIX));
        let Some(metadata) = is_temp.then(|| entry.metadata().ok()).flatten() else { continue };
        if metadata.modified().is_ok_and(|modified| modified > before) {
            continue;
        }
        match std::fs::remove_file(entry.path()) {
            Ok(()) => {
                removed.files += 1;
                removed.bytes += metadata.len();
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => removed.faults.push((entry.path().to_path_buf(), Fault::io("remove it", &error))),
        }
    }
    removed
}
