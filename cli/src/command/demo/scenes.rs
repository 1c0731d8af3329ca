//! Short videos, taken into a library: once, and once more, when there is nothing new.

use std::{
    fs,
    path::{Path, PathBuf},
};

use drover_media_worker::samples::{self, Manifest};
use drover_protocol::{JobStatus, StepStatus};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Played, folder::Folder, report, run_job};
use crate::{
    api::{Answer, JobView},
    cli::Demo,
    client::Client,
    dev::media,
    failure::Failure,
    output::Output,
};

const WORKFLOW: &str = "process_new_scenes";
/// Previews of each scene: picture, sheet, clip.
const PREVIEWS: u64 = 3;
/// What a run that finds nothing new has none of.
const COUNTS: [&str; 5] =
    ["total_synced_items", "total_scenes_analyzed", "total_changes_approved", "total_changes_applied", "total_errors"];

/// The videos, and what a run must find.
pub(super) struct Scenes {
    manifest: Manifest,
    folder: PathBuf,
}

impl Scenes {
    /// Makes the videos.
    pub(super) async fn prepare(output: &Output, args: &Demo, folder: &Folder) -> Result<Self, Failure> {
        for (option, given) in [("--files", args.files), ("--rows", args.rows), ("--broken", args.broken)] {
            if given.is_some() {
                return Err(Failure::Usage(format!(
                    "{option} is for --workflow data_import; {WORKFLOW} makes its own videos"
                )));
            }
        }
        let settings = media::settings().map_err(Failure::Usage)?;
        report::title(output, "New videos for a library, twice");
        let (folder, ffmpeg) = (folder.path("media"), settings.ffmpeg.clone());
        let downloads = folder.join("downloads");
        let made = report::while_it_works("making videos", move || {
            settings.tools().check().map_err(|error| error.to_string())?;
            samples::generate(&downloads, &ffmpeg).map_err(|error| error.to_string())
        });
        let manifest = made.await.map_err(Failure::Start)?;
        let videos = manifest.videos.len();
        report::line(output, "videos", &format!("{videos}, one damaged, one that is still being downloaded"));
        Ok(Self { manifest, folder })
    }

    /// Where downloads, library and previews are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs the workflow twice. `None`: somebody ended the demo before.
    pub(super) async fn play(
        &self,
        output: &Output,
        client: Client,
        url: &str,
        shutdown: &CancellationToken,
    ) -> Result<Option<Played>, Failure> {
        let Some(first) = run_job(&client, WORKFLOW, json!({}), shutdown).await? else { return Ok(None) };
        if !output.json {
            report::job(output, &first.body)?;
        }
        let Some(second) = run_job(&client, WORKFLOW, json!({}), shutdown).await? else { return Ok(None) };
        if output.json {
            let result = |job: &Answer<JobView>| job.raw.get("result").cloned().unwrap_or_default();
            output.json(&json!({ "samples": self.manifest, "runs": [result(&first), result(&second)] }))?;
        } else {
            report::job(output, &second.body)?;
        }
        let mut wrong = self.differences(&first.body);
        wrong.extend(leftovers(&second.body));
        if wrong.is_empty() && !output.json {
            let videos = self.manifest.videos.len();
            output.line(format_args!(
                "\nThe first run made {videos} scenes with {} previews. The damaged file is its one error,\n\
                 and the download that is not finished was left alone. The second run found nothing new.",
                PREVIEWS * videos as u64
            ))?;
        }
        let downloads = self.folder.join("downloads");
        let hint = format!(
            "cp VIDEO {} && drover submit {WORKFLOW} --wait\nThe pictures: {url}/jobs/{}",
            downloads.display(),
            first.body.id
        );
        Ok(Some(Played { wrong, hint }))
    }

    /// What the first run found otherwise than the videos are.
    fn differences(&self, job: &JobView) -> Vec<String> {
        let manifest = &self.manifest;
        let videos = manifest.videos.len() as u64;
        let result = job.result.as_ref().unwrap_or(&Value::Null);
        let step = |key: &str| &result["steps"][key]["result"];
        let (downloads, scan) = (step("downloads"), step("scan"));
        let mut wrong = Wrong::default();
        wrong.check("the first run's status", &json!(job.status), JobStatus::CompletedWithErrors.as_str());
        // The damaged file is linked, since only the scan looks into it; the one that is being downloaded is not.
        wrong.check("downloads linked", &downloads["files_linked"], manifest.linked);
        wrong.check("downloads left alone", &downloads["skipped_items"], manifest.items - manifest.linked);
        wrong.check("files scanned", &scan["scanned"], videos);
        wrong.check("files that are no good video", &scan["failed"], 1);
        let summary = &result["summary"];
        wrong.check("total_synced_items", &summary["total_synced_items"], manifest.linked);
        wrong.check("total_scenes_analyzed", &summary["total_scenes_analyzed"], videos);
        wrong.check("total_errors", &summary["total_errors"], 1);
        wrong.check("changes applied", &summary["total_changes_applied"], &summary["total_changes_approved"]);
        if summary["total_changes_applied"].as_u64() == Some(0) {
            wrong.0.push("no changes were applied".into());
        }
        let previews = Previews::of(result);
        wrong.check("previews", &json!(previews.generated), PREVIEWS * videos);
        wrong.check("previews that failed", &json!(previews.failed), 0);
        let shown = previews.thumbnails.iter().filter(|address| self.is_there(address)).count();
        wrong.check("pictures that are where the result says", &json!(shown), videos);
        let unfinished = self.folder.join("library").join(&manifest.unfinished);
        if fs::symlink_metadata(unfinished).is_ok() {
            wrong.0.push(format!("{} is in the library, and is not finished", manifest.unfinished));
        }
        wrong.0
    }

    /// Whether the file of an address is there.
    fn is_there(&self, address: &str) -> bool {
        let place = address.strip_prefix("/files/media/");
        place.is_some_and(|place| self.folder.join("generated").join(place).is_file())
    }
}

/// What the second run did, which had nothing to do.
fn leftovers(job: &JobView) -> Vec<String> {
    let result = job.result.as_ref().unwrap_or(&Value::Null);
    let mut wrong = Wrong::default();
    wrong.check("the second run's status", &json!(job.status), JobStatus::Completed.as_str());
    for count in COUNTS {
        // A step that was skipped counts nothing.
        let found = Some(&result["summary"][count]).filter(|found| !found.is_null());
        wrong.check(&format!("{count} of the second run"), found.unwrap_or(&json!(0)), 0);
    }
    let scan = job.steps().iter().find(|step| step.key == "scan").map(|step| step.status);
    wrong.check("the second run's scan", &json!(scan), StepStatus::Skipped.as_str());
    wrong.check("previews of the second run", &json!(Previews::of(result).generated), 0);
    wrong.0
}

/// What became of the previews of a run.
#[derive(Default)]
struct Previews {
    generated: u64,
    failed: u64,
    thumbnails: Vec<String>,
}

impl Previews {
    fn of(result: &Value) -> Self {
        let mut previews = Self::default();
        let batches = result["steps"]["previews"]["result"]["steps"]["scenes"].as_array();
        for batch in batches.into_iter().flatten().map(|batch| &batch["result"]) {
            previews.generated += batch["generated"].as_u64().unwrap_or_default();
            previews.failed += batch["failed"].as_u64().unwrap_or_default();
            let linked = batch["previews"].as_array().into_iter().flatten();
            previews.thumbnails.extend(linked.filter_map(|scene| Some(scene["thumbnail"].as_str()?.to_owned())));
        }
        previews
    }
}

/// What is otherwise than it must be.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn check(&mut self, what: &str, found: &Value, expected: impl serde::Serialize) {
        let expected = json!(expected);
        if *found != expected {
            self.0.push(format!("{what}: {found}, and must be {expected}"));
        }
    }
}
