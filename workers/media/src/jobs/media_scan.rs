//! `media_scan`: what is in the library.

use std::{collections::HashMap, path::Path};

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use futures_util::{StreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{go_on, unreadable};
use crate::{
    config::Media,
    downloads::Look,
    fault::{self, Broken, Fault, FaultKind, ItemError, outcome},
    fingerprint::fingerprint,
    library::{self, Seen},
    limits::{PAGE, PROBES},
    store::{FileFacts, KnownFile},
    text::{self, count},
    tools::Probe,
};

/// Reads the technical data of new and changed files of the library. Safe to repeat at any moment.
#[derive(Clone, Debug)]
pub struct MediaScan(pub Media);

/// How the library is scanned.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanParams {
    /// An empty library is no mistake: every file is gone. Otherwise it is taken for a disk that is not mounted.
    #[serde(default)]
    pub allow_empty: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanResult {
    /// Videos in the library.
    pub total: u64,
    /// Videos whose technical data were read now.
    pub scanned: u64,
    /// Of these, videos that were known under another path.
    pub moved: u64,
    /// Videos that did not change since the last scan, also where that found them to be no good.
    pub unchanged: u64,
    /// Files that are no good videos, or could not be read.
    pub failed: u64,
    /// Videos of the last scan that are not there any more.
    pub gone: u64,
    /// Why files failed: the first of them.
    pub errors: Vec<ItemError>,
}

#[async_trait]
impl Job for MediaScan {
    const TYPE: &'static str = "media_scan";
    const TITLE: &'static str = "Scan the library";
    const UNIT: Option<&'static str> = Some("files");
    type Params = ScanParams;
    type Result = ScanResult;

    async fn run(&self, ctx: &JobContext, params: ScanParams) -> Result<Outcome<ScanResult>, JobFailure> {
        let mut result = ScanResult::default();
        match self.all(ctx, &params, &mut result).await {
            Ok(()) => {
                ctx.message(format!("{} new or changed", count(result.scanned, "video")));
                let errors = result.errors.clone();
                Ok(outcome(result, &errors))
            }
            Err(failure) => Err(failure.with_partial(result)),
        }
    }
}

impl MediaScan {
    async fn all(&self, ctx: &JobContext, params: &ScanParams, result: &mut ScanResult) -> Result<(), JobFailure> {
        ctx.message("Looking for videos");
        let folder = self.0.folders.library.clone();
        let (walking, at) = (ctx.clone(), folder.clone());
        let seen = ctx.blocking(move || library::walk(&at, || walking.is_cancelled())).await?;
        let Seen { videos, faults } = seen.map_err(|error| unreadable("--library", &folder, &error))?;
        go_on(ctx)?;
        for (path, fault) in faults {
            result.failed += 1;
            fault::note(ctx, &mut result.errors, text::path(&path), fault);
        }
        result.total = videos.len() as u64;
        if videos.is_empty() && !params.allow_empty {
            self.refuse_empty(&folder).await?;
        }
        // Before new files are looked at: one that was moved is known by then to be gone from its old place.
        result.gone = self.find_gone(ctx).await?;
        let mut done = 0;
        ctx.processed(0, result.total);
        for page in videos.chunks(usize::try_from(PAGE)?) {
            self.page(ctx, page, &mut done, result).await?;
        }
        Ok(())
    }

    /// An empty folder where a library was is rather a disk that is not mounted.
    async fn refuse_empty(&self, folder: &Path) -> Result<(), JobFailure> {
        let known = self.0.store.count_files().await.map_err(|error| error.into_failure())?;
        if known == 0 {
            return Ok(());
        }
        let (folder, known) = (text::path(folder), count(known, "file"));
        let message = format!(
            "--library: there is no video in {folder}, but {known} at the last scan; is its disk mounted? If it is meant \
             to be empty, run media_scan with allow_empty: true"
        );
        Err(JobFailure::retryable("library_empty", message))
    }

    /// Files that are not there any more. One that cannot be looked at is not gone.
    async fn find_gone(&self, ctx: &JobContext) -> Result<u64, JobFailure> {
        let (mut after, mut total) = (0, 0);
        loop {
            go_on(ctx)?;
            let page = self.0.store.files_after(after, PAGE).await.map_err(|error| error.into_failure())?;
            let Some((last, _)) = page.last() else { return Ok(total) };
            after = *last;
            let gone = ctx
                .blocking(move || {
                    let gone = page.iter().filter(|(_, path)| library::is_gone(Path::new(path)));
                    gone.map(|(id, _)| *id).collect::<Vec<i64>>()
                })
                .await?;
            if !gone.is_empty() {
                total += self.0.store.mark_gone(&gone).await.map_err(|error| error.into_failure())?;
            }
        }
    }

    async fn page(
        &self,
        ctx: &JobContext,
        page: &[Look],
        done: &mut u64,
        result: &mut ScanResult,
    ) -> Result<(), JobFailure> {
        let paths: Vec<&str> = page.iter().filter_map(|video| video.path.to_str()).collect();
        let known = self.0.store.known_files(&paths).await.map_err(|error| error.into_failure())?;
        let (same, new): (Vec<&Look>, Vec<&Look>) = page.iter().partition(|video| is_same(&known, video));
        result.unchanged += same.len() as u64;
        *done += same.len() as u64;
        let mut scans = Vec::new();
        for video in new {
            scans.push(async move { (video, self.file(ctx, video).await) });
        }
        let mut scans = stream::iter(scans).buffer_unordered(PROBES);
        while let Some((video, scan)) = scans.next().await {
            match scan {
                Ok(moved) => {
                    result.scanned += 1;
                    result.moved += u64::from(moved);
                }
                Err(Broken::Item(fault)) => {
                    result.failed += 1;
                    fault::note(ctx, &mut result.errors, text::path(&video.path), fault);
                }
                Err(Broken::Job(failure)) => return Err(failure),
            }
            *done += 1;
            ctx.processed(*done, result.total);
        }
        ctx.processed(*done, result.total);
        Ok(())
    }

    /// Whether the file is one that was moved.
    async fn file(&self, ctx: &JobContext, video: &Look) -> Result<bool, Broken> {
        go_on(ctx)?;
        let store = &self.0.store;
        let (path, title) = (text::path(&video.path), text::title(&video.path));
        let probe = match self.0.tools.probe(ctx, &video.path).await.map_err(Broken::from) {
            Err(Broken::Item(fault)) if fault.kind == FaultKind::Corrupt => {
                let (size, modified) = (video.size_bytes, video.modified_at);
                store.record_failed_file(&path, &title, size, modified, &fault.message).await?;
                return Err(fault.into());
            }
            probe => probe?,
        };
        let at = video.path.clone();
        let fingerprint =
            ctx.blocking(move || fingerprint(&at)).await?.map_err(|error| Fault::io("read it", &error))?;
        Ok(store.record_file(&facts(video, path, title, fingerprint, probe)).await?)
    }
}

fn is_same(known: &HashMap<String, KnownFile>, video: &Look) -> bool {
    let known = video.path.to_str().and_then(|path| known.get(path));
    known.is_some_and(|known| {
        known.status != "gone" && (known.size_bytes, known.modified_at) == (video.size_bytes, video.modified_at)
    })
}

fn facts(video: &Look, path: String, title: String, fingerprint: String, probe: Probe) -> FileFacts {
    let pixels = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    FileFacts {
        path,
        title,
        size_bytes: video.size_bytes,
        modified_at: video.modified_at,
        fingerprint,
        container: probe.container,
        duration_seconds: probe.duration_seconds,
        video_codec: probe.video_codec,
        audio_codec: probe.audio_codec,
        width: pixels(probe.width),
        height: pixels(probe.height),
        frame_rate: probe.frame_rate,
        bit_rate: probe.bit_rate.and_then(|rate| i64::try_from(rate).ok()),
    }
}
