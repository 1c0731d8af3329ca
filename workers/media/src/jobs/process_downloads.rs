//! `process_downloads`: completed downloads come into the library.

use std::{collections::HashMap, path::Path, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use drover_worker::{Job, JobContext, JobFailure, LogLevel, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{go_on, invalid, unreadable};
use crate::{
    config::Media,
    downloads::{Item, LinkError, Linked, Look, find, link, second_look},
    fault::{self, Broken, Fault, ItemError, outcome},
    library::is_gone,
    limits::PAGE,
    text::{self, count},
};

/// Between the two looks at a download; what is written to is seen to change.
const LOOKS: Duration = Duration::from_secs(1);

/// Links the videos of completed downloads into the library. Safe to repeat: what was linked before is passed over.
#[derive(Clone, Debug)]
pub struct ProcessDownloads(pub Media);

/// Which downloads are taken.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DownloadsParams {
    /// Leave videos out that are shorter than `minimum_seconds`.
    #[serde(default)]
    pub exclude_small_vids: bool,
    /// How long a video must be, in seconds.
    #[serde(default = "minimum_seconds")]
    #[schemars(range(min = 0, max = 86400))]
    pub minimum_seconds: f64,
    /// How long a file must have been left alone, in seconds, before it is taken.
    #[serde(default = "quiet_seconds")]
    #[schemars(range(min = 0, max = 86400))]
    pub quiet_seconds: f64,
}

const fn minimum_seconds() -> f64 {
    30.0
}

const fn quiet_seconds() -> f64 {
    10.0
}

/// What became of the downloads. Each is synced, skipped or failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DownloadsResult {
    /// Downloads found: files and folders.
    pub total_items: u64,
    /// Downloads looked at.
    pub processed_items: u64,
    /// Downloads of which something was linked now.
    pub synced_items: u64,
    /// Downloads that are not finished, or of which nothing is new.
    pub skipped_items: u64,
    /// Downloads of which something could not be read or linked.
    pub failed_items: u64,
    /// Videos linked or copied into the library.
    pub files_linked: u64,
    /// Videos left out because they are short.
    pub under_duration: u64,
    /// Videos that were linked, now or by an earlier run, and that no scan has met in the library. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unscanned: Option<u64>,
    /// Why items failed: the first of them.
    pub errors: Vec<ItemError>,
}

/// Size in bytes and time of change of downloads that were linked before, by path.
type Known = HashMap<String, (u64, DateTime<Utc>)>;

/// What became of one download.
enum End {
    Synced,
    Skipped,
    Failed,
}

#[async_trait]
impl Job for ProcessDownloads {
    const TYPE: &'static str = "process_downloads";
    const TITLE: &'static str = "Process downloads";
    const UNIT: Option<&'static str> = Some("downloads");
    type Params = DownloadsParams;
    type Result = DownloadsResult;

    async fn run(&self, ctx: &JobContext, params: DownloadsParams) -> Result<Outcome<DownloadsResult>, JobFailure> {
        for (name, seconds) in [("minimum_seconds", params.minimum_seconds), ("quiet_seconds", params.quiet_seconds)] {
            if !(0.0..=86_400.0).contains(&seconds) {
                return Err(invalid(format!("{name}: {seconds} cannot be used; give 0 to 86400 seconds")));
            }
        }
        ctx.message("Looking for downloads");
        let mut result = DownloadsResult::default();
        match self.all(ctx, &params, &mut result).await {
            Ok(()) => {
                ctx.message(format!("{} into the library", count(result.files_linked, "video")));
                let errors = result.errors.clone();
                Ok(outcome(result, &errors))
            }
            Err(failure) => Err(failure.with_partial(result)),
        }
    }
}

impl ProcessDownloads {
    async fn all(
        &self,
        ctx: &JobContext,
        params: &DownloadsParams,
        result: &mut DownloadsResult,
    ) -> Result<(), JobFailure> {
        let folder = self.0.folders.downloads.clone();
        let (looking, at) = (ctx.clone(), folder.clone());
        let items = ctx.blocking(move || find(&at, || looking.is_cancelled())).await?;
        let items = items.map_err(|error| unreadable("--downloads", &folder, &error))?;
        // A look that was broken off has found nothing, which is not that nothing is there.
        go_on(ctx)?;
        result.total_items = items.len() as u64;
        ctx.processed(0, result.total_items);
        if !items.is_empty() {
            tokio::select! {
                () = tokio::time::sleep(LOOKS) => {}
                () = ctx.cancelled() => {}
            }
        }
        for page in items.chunks(usize::try_from(PAGE)?) {
            let known = self.known(page).await?;
            for item in page {
                go_on(ctx)?;
                ctx.message(format!("Looking at {}", text::quotable(&item.to_string(), 300)));
                match self.item(ctx, params, item, &known, result).await? {
                    End::Synced => result.synced_items += 1,
                    End::Skipped => result.skipped_items += 1,
                    End::Failed => result.failed_items += 1,
                }
                result.processed_items += 1;
                ctx.processed(result.processed_items, result.total_items);
            }
        }
        result.unscanned = Some(self.unscanned(ctx).await?);
        Ok(())
    }

    /// Which videos of some downloads were linked before.
    async fn known(&self, items: &[Item]) -> Result<Known, JobFailure> {
        let videos = items.iter().flat_map(|item| &item.videos);
        let paths: Vec<&str> = videos.filter_map(|video| video.path.to_str()).collect();
        self.0.store.linked_downloads(&paths).await.map_err(|error| error.into_failure())
    }

    /// How many linked videos wait for a scan. One that is not at its place any more does not: somebody moved or removed it.
    async fn unscanned(&self, ctx: &JobContext) -> Result<u64, JobFailure> {
        let (mut after, mut total) = (String::new(), 0);
        loop {
            go_on(ctx)?;
            let page = self.0.store.unscanned_downloads(&after, PAGE).await.map_err(|error| error.into_failure())?;
            let Some((last, _)) = page.last() else { return Ok(total) };
            after.clone_from(last);
            let is_there = |(_, path): &&(String, String)| !is_gone(Path::new(path));
            total += ctx.blocking(move || page.iter().filter(is_there).count() as u64).await?;
        }
    }

    async fn item(
        &self,
        ctx: &JobContext,
        params: &DownloadsParams,
        item: &Item,
        known: &Known,
        result: &mut DownloadsResult,
    ) -> Result<End, JobFailure> {
        for (path, fault) in &item.faults {
            fault::note(ctx, &mut result.errors, text::path(path), fault.clone());
        }
        let mut failed = !item.faults.is_empty();
        if let Some(partial) = &item.partial {
            ctx.log(LogLevel::Info, format!("{item}: not finished: {}", text::path(partial)));
            return Ok(if failed { End::Failed } else { End::Skipped });
        }
        let new: Vec<&Look> = item.videos.iter().filter(|video| !is_known(known, video)).collect();
        match finished(ctx, params, item, &new).await {
            Ok(true) => {}
            Ok(false) => return Ok(if failed { End::Failed } else { End::Skipped }),
            Err((path, Broken::Item(fault))) => {
                fault::note(ctx, &mut result.errors, path, fault);
                return Ok(End::Failed);
            }
            Err((_, Broken::Job(failure))) => return Err(failure),
        }
        let linked_before = result.files_linked;
        for video in new {
            match self.video(ctx, params, video, result).await {
                Ok(()) => {}
                Err(Broken::Item(fault)) => {
                    failed = true;
                    fault::note(ctx, &mut result.errors, text::path(&video.path), fault);
                }
                Err(Broken::Job(failure)) => return Err(failure),
            }
        }
        Ok(match (failed, result.files_linked > linked_before) {
            (true, _) => End::Failed,
            (false, true) => End::Synced,
            (false, false) => End::Skipped,
        })
    }

    async fn video(
        &self,
        ctx: &JobContext,
        params: &DownloadsParams,
        video: &Look,
        result: &mut DownloadsResult,
    ) -> Result<(), Broken> {
        if params.exclude_small_vids {
            let probe = self.0.tools.probe(ctx, &video.path).await?;
            if probe.duration_seconds < params.minimum_seconds {
                result.under_duration += 1;
                let (path, seconds) = (text::path(&video.path), probe.duration_seconds);
                ctx.log(LogLevel::Info, format!("{path}: left out: it is {seconds:.1} s long"));
                return Ok(());
            }
        }
        let (folders, look, linking) = (self.0.folders.clone(), video.clone(), ctx.clone());
        let linked =
            ctx.blocking(move || link(&look, &folders.downloads, &folders.library, || linking.is_cancelled())).await?;
        let (to, is_new) = match linked {
            Ok(Linked::Now(to)) => (to, true),
            Ok(Linked::Before(to)) => (to, false),
            Err(LinkError::Cancelled) => return Err(JobFailure::cancelled().into()),
            Err(LinkError::Changing) => {
                ctx.log(LogLevel::Info, format!("{}: it is still being written", text::path(&video.path)));
                return Ok(());
            }
            Err(LinkError::Io(error)) => return Err(Fault::io("link it into the library", &error).into()),
        };
        let (source, size, modified) = (text::path(&video.path), video.size_bytes, video.modified_at);
        self.0.store.record_download(&source, size, modified, &text::path(&to)).await?;
        result.files_linked += u64::from(is_new);
        Ok(())
    }
}

fn is_known(known: &Known, video: &Look) -> bool {
    let before = video.path.to_str().and_then(|path| known.get(path));
    before == Some(&(video.size_bytes, video.modified_at))
}

/// Whether all new videos of a download are finished. An error names the file.
async fn finished(
    ctx: &JobContext,
    params: &DownloadsParams,
    item: &Item,
    videos: &[&Look],
) -> Result<bool, (String, Broken)> {
    let quiet = Duration::from_secs_f64(params.quiet_seconds);
    let looks: Vec<Look> = videos.iter().map(|video| (*video).clone()).collect();
    let look = move || {
        for video in &looks {
            match second_look(video, Utc::now(), quiet) {
                Ok(None) => {}
                Ok(Some(unfinished)) => return Ok(Some((text::path(&video.path), unfinished.reason()))),
                Err(fault) => return Err((text::path(&video.path), fault)),
            }
        }
        Ok(None)
    };
    match ctx.blocking(look).await {
        Ok(Ok(None)) => Ok(true),
        Ok(Ok(Some((path, reason)))) => {
            ctx.log(LogLevel::Info, format!("{item}: not finished: {path}: {reason}"));
            Ok(false)
        }
        Ok(Err((path, fault))) => Err((path, fault.into())),
        Err(failure) => Err((item.to_string(), failure.into())),
    }
}
