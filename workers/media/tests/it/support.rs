//! A library with its folders and its database, and the jobs run on it.

use std::{
    collections::BTreeMap,
    fs::{self, File, FileTimes},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use drover_media_worker::{
    config::Media,
    folders::Folders,
    jobs::{
        Analysis, AnalysisResult, ApplyPlan, ApprovePlan, Generate, GeneratePending, MediaScan, ProcessDownloads,
        ScanResult, Sync, UnanalyzedScenes,
    },
    samples::{self, Manifest},
    store::Store,
    tools::Tools,
};
use drover_tests::Database;
use drover_worker::{
    Job,
    testing::{self, TestRun},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Site {
    pub(crate) media: Media,
    pub(crate) root: TempDir,
    // Dropped last: the store's connections end before.
    pub(crate) database: Database,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::in_folder(TempDir::new().unwrap()).await
    }

    pub(crate) async fn in_folder(root: TempDir) -> Self {
        let folder = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let folders = Folders::new(&folder("downloads"), &folder("library"), &folder("generated")).unwrap();
        let database = Database::create().await.unwrap();
        let store = Store::new(&database.url().into(), 4).unwrap();
        Self { media: Media { store, folders, tools: tools("ffmpeg") }, root, database }
    }

    /// The same, where ffmpeg is another program.
    pub(crate) fn with_ffmpeg(mut self, ffmpeg: &str) -> Self {
        self.media.tools = tools(ffmpeg);
        self
    }

    /// Puts a video into the library.
    pub(crate) fn video(&self, name: &str) -> PathBuf {
        copy(&sample(), &self.media.folders.library.join(name))
    }

    /// Puts a finished video into the drop folder.
    pub(crate) fn download(&self, name: &str) -> PathBuf {
        copy(&sample(), &self.media.folders.downloads.join(name))
    }

    pub(crate) async fn run<J: Job>(&self, job: J, params: Value) -> TestRun {
        testing::run(job, params).await
    }

    pub(crate) async fn downloads(&self, params: Value) -> TestRun {
        self.run(ProcessDownloads(self.media.clone()), params).await
    }

    pub(crate) async fn scan(&self) -> TestRun {
        self.run(MediaScan(self.media.clone()), json!({})).await
    }

    pub(crate) async fn sync(&self) -> TestRun {
        self.run(Sync(self.media.clone()), json!({})).await
    }

    /// Scans and syncs the library, and gives the scenes' ids by the names of their files.
    pub(crate) async fn scenes(&self) -> BTreeMap<String, i64> {
        let _: ScanResult = result(&self.scan().await);
        self.sync().await;
        let rows = self.query("SELECT f.path, s.id FROM media.scenes s JOIN media.files f ON f.id = s.file_id").await;
        let library = &self.media.folders.library;
        let name = |path: String| Path::new(&path).strip_prefix(library).unwrap().display().to_string();
        rows.iter().map(|row| (name(row.get(0)), row.get(1))).collect()
    }

    pub(crate) async fn unanalyzed(&self, params: Value) -> TestRun {
        self.run(UnanalyzedScenes(self.media.clone()), params).await
    }

    pub(crate) async fn analyze(&self, run: &str, batch: u32, scenes: &[i64]) -> TestRun {
        let params = json!({"scene_ids": scenes, "run_id": run, "batch": batch});
        self.run(Analysis(self.media.clone()), params).await
    }

    /// Analyzes scenes, and approves and applies what that proposes.
    pub(crate) async fn apply(&self, run: &str, scenes: &[i64]) -> TestRun {
        let plan = result::<AnalysisResult>(&self.analyze(run, 0, scenes).await).plan_id;
        let params = json!({"plan_id": plan});
        let approved = self.run(ApprovePlan(self.media.clone()), params.clone()).await;
        assert!(approved.is_completed(), "{approved:?}");
        self.run(ApplyPlan(self.media.clone()), params).await
    }

    pub(crate) async fn generate(&self, scenes: &[i64]) -> TestRun {
        self.run(Generate(self.media.clone()), json!({"scene_ids": scenes})).await
    }

    pub(crate) async fn without_previews(&self) -> Vec<Value> {
        let run = self.run(GeneratePending(self.media.clone()), json!({})).await;
        assert!(run.is_completed(), "{run:?}");
        run.items["scene_ids"].clone()
    }

    pub(crate) async fn query(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        self.database.connect().await.unwrap().query(sql, &[]).await.unwrap()
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.query(sql).await[0].get(0)
    }
}

fn tools(ffmpeg: &str) -> Tools {
    Tools::new(Path::new(ffmpeg), Path::new("ffprobe"), Duration::from_secs(60))
}

/// A result of a job, whole or partial.
pub(crate) fn result<R: DeserializeOwned>(run: &TestRun) -> R {
    run.result().unwrap_or_else(|| panic!("no result: {run:?}"))
}

/// The samples, made once for all tests: they are kept beside what is built.
pub(crate) fn made() -> &'static (PathBuf, Manifest) {
    static MADE: OnceLock<(PathBuf, Manifest)> = OnceLock::new();
    MADE.get_or_init(|| {
        // Another source makes other samples.
        let mut hash = DefaultHasher::new();
        include_str!("../../src/samples.rs").hash(&mut hash);
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("samples-{:x}", hash.finish()));
        if !kept.is_dir() {
            let fresh = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let manifest = samples::generate(&fresh.path().join("made"), Path::new("ffmpeg")).unwrap();
            fs::write(fresh.path().join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
            // Of several that made them at once, one comes first.
            if fs::rename(fresh.path(), &kept).is_ok() {
                drop(fresh.keep());
            }
        }
        let manifest = fs::read(kept.join("manifest.json")).unwrap();
        let mut manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
        manifest.folder = kept.join("made").display().to_string();
        (kept, manifest)
    })
}

/// A video of six seconds with two cuts; a copy of it is another content than the one before.
fn sample() -> PathBuf {
    let (_, manifest) = made();
    Path::new(&manifest.folder).join(&manifest.videos[0].path)
}

/// Copies a video, and ends it with something of its own, which players pass over.
fn copy(from: &Path, to: &Path) -> PathBuf {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let mut content = fs::read(from).unwrap();
    let name = to.as_os_str().as_encoded_bytes();
    content.extend(u32::try_from(name.len() + 8).unwrap().to_be_bytes());
    content.extend(b"free");
    content.extend(name);
    fs::write(to, content).unwrap();
    age(to, 3_600);
    to.to_path_buf()
}

/// Makes a file look as if it had been changed so long ago.
pub(crate) fn age(path: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(then)).unwrap();
}

/// Makes a video of ffmpeg's test pictures.
pub(crate) fn video(path: &Path, arguments: &[&str]) {
    let quiet = ["-hide_banner", "-nostdin", "-loglevel", "error"];
    let made = Command::new("ffmpeg").args(quiet).args(arguments).arg("-y").arg(path).status().unwrap();
    assert!(made.success());
}

/// A program that stands before ffmpeg.
pub(crate) fn script(site: &Site, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = site.root.path().join("ffmpeg");
    fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The names of all files below a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let files = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten();
    let files = files.filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned()).collect()
}

/// What ffprobe says of a file: width, height and seconds of its first video.
pub(crate) fn shape(path: &Path) -> (u64, u64, f64) {
    let arguments = ["-v", "error", "-of", "json", "-show_format", "-show_streams"];
    let told = Command::new("ffprobe").args(arguments).arg(path).output().unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let stream = &told["streams"][0];
    let seconds = told["format"]["duration"].as_str().map_or(0.0, |text| text.parse().unwrap());
    (stream["width"].as_u64().unwrap(), stream["height"].as_u64().unwrap(), seconds)
}
