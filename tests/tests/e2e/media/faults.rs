//! What a run needs is away, missing or full: a clear error, and the rest goes on.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{Library, STEPS, assert_summary, video, went_well};
use crate::shapes::step;

/// The error of the only job of a type.
async fn error(library: &Library, job_type: &str) -> (String, String) {
    let jobs = library.jobs(job_type).await;
    let error = &jobs.last().unwrap_or_else(|| panic!("no {job_type}"))["error"];
    let text = |field: &str| error[field].as_str().unwrap_or_else(|| panic!("{job_type}: {jobs:?}")).to_owned();
    (text("kind"), text("message"))
}

/// Which steps of a run that ended went wrong.
fn went_wrong(job: &Value) -> Vec<&'static str> {
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    STEPS.into_iter().filter(|key| !went_well(job, key)).collect()
}

#[tokio::test]
async fn fault_15_a_library_without_its_database_fails_its_steps_and_the_rest_goes_on() {
    let library = Library::new().await;
    library.download("one.mp4", 1);
    let client = library.fleet.database.connect().await.expect("a connection");
    client.batch_execute("ALTER TABLE media.files RENAME TO elsewhere").await.expect("renamed");
    let job = library.run(json!({})).await;
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    for key in ["downloads", "scan", "sync", "final_sync"] {
        assert_eq!(step(&job, key)["status"], "failed", "{key}: {job}");
    }
    let (kind, message) = error(&library, "sync_pending").await;
    assert!(kind == "database" && message.contains("media.files"), "the true cause: {message}");
}

#[tokio::test]
async fn a_program_that_is_missing_is_named_with_the_way_out_and_the_next_run_makes_up_for_it() {
    let library = Library::new().await;
    for name in ["one.mp4", "two.mp4"] {
        library.download(name, 1);
    }
    let path = |name: &str| library.path("bin").join(name).display().to_string();
    fs::remove_file(path("ffprobe")).expect("removed");
    let job = library.run(json!({})).await;
    assert_eq!(went_wrong(&job), ["scan"]);
    let (kind, message) = error(&library, "media_scan").await;
    assert_eq!(kind, "program");
    for part in [&path("ffprobe"), "ffprobe cannot be started", "apt-get install ffmpeg", "DROVER_MEDIA_FFPROBE"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_summary(&job, &[("total_synced_items", 2), ("total_scenes_analyzed", 0), ("total_errors", 1)]);

    // Nothing is linked any more, but what was linked has not been scanned.
    library.program("ffprobe", "");
    fs::remove_file(path("ffmpeg")).expect("removed");
    let job = library.run(json!({})).await;
    assert_eq!(went_wrong(&job), ["analysis", "previews"]);
    assert_eq!(step(&job, "scan")["status"], "completed", "{job}");
    assert_eq!(library.number("SELECT count(*) FROM media.scenes").await, 2);
    for job_type in ["analysis", "generate"] {
        let (kind, message) = error(&library, job_type).await;
        assert!(kind == "program" && message.contains(&path("ffmpeg")), "{job_type}: {message}");
        assert!(message.contains("DROVER_MEDIA_FFMPEG to its path"), "{job_type}: {message}");
    }
    assert_summary(&job, &[("total_synced_items", 0), ("total_scenes_analyzed", 0)]);

    library.program("ffmpeg", "");
    let job = library.run(json!({})).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(step(&job, "scan")["status"], "skipped", "{job}");
    assert_summary(&job, &[("total_synced_items", 0), ("total_scenes_analyzed", 2), ("total_errors", 0)]);
    assert_eq!(library.previews().len(), 2 * 4);
}

#[tokio::test]
async fn a_drop_folder_that_cannot_be_read_fails_its_step_and_the_library_is_worked_on() {
    let library = Library::new().await;
    // Also root cannot read a folder that is none.
    fs::remove_dir(library.path("downloads")).expect("removed");
    fs::write(library.path("downloads"), "in its place").expect("written");
    video(&library.path("library/there before.mp4"), "there before", 1);
    let job = library.run(json!({})).await;
    assert_eq!(went_wrong(&job), ["downloads"]);
    let (kind, message) = error(&library, "process_downloads").await;
    assert_eq!(kind, "io");
    let expected = format!("--downloads: cannot read {}: ", library.path("downloads").display());
    assert!(message.starts_with(&expected) && message.contains("Not a directory"), "{message}");
    assert_eq!(library.jobs("process_downloads").await[0]["attempt"], 3, "it may be a disk that is not mounted yet");
    assert_eq!(step(&job, "scan")["status"], "completed", "nobody knows that there is nothing new: {job}");
    assert_eq!(library.sum("analysis", "scenes_analyzed").await, 1);
    assert_eq!(library.previews().len(), 4);
}

/// A disk of one MiB without any room, in the place of a folder; the disk goes when dropped.
struct FullDisk {
    folder: PathBuf,
    filler: PathBuf,
}

impl FullDisk {
    /// `None`: whoever runs the test may not mount.
    fn at(folder: &Path) -> Option<Self> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder).output();
        if !mount.is_ok_and(|mount| mount.status.success()) {
            return None;
        }
        let disk = Self { folder: folder.to_path_buf(), filler: folder.join("filler") };
        let mut filler = File::create(&disk.filler).expect("created");
        let full = (0..512).find_map(|_| filler.write_all(&[0; 4_096]).err()).expect("it is full by then");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        Some(disk)
    }

    fn free(&self) {
        fs::remove_file(&self.filler).expect("removed");
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_leaves_no_half_file_and_is_made_up_for_when_there_is_room() {
    let library = Library::new().await;
    library.download("one.mp4", 1);
    let disk = FullDisk::at(&library.path("generated"));
    if disk.is_none() {
        // What the system then says and does is what a full disk does.
        eprintln!("this user may not mount: files of ffmpeg are limited to no bytes instead");
        library.program("ffmpeg", "trap '' XFSZ; ulimit -f 0");
    }
    let job = library.run(json!({})).await;
    assert_eq!(went_wrong(&job), ["previews"]);
    let (kind, message) = error(&library, "generate").await;
    assert_eq!(kind, "disk_full", "{message}");
    assert!(
        message.starts_with("none of 3 previews could be made") && message.contains("free some space"),
        "{message}"
    );
    assert_eq!(library.jobs("generate").await[0]["attempt"], 3, "there may be room soon");
    assert_eq!(library.previews(), [] as [PathBuf; 0], "no half file");
    assert_eq!(library.number("SELECT count(*) FROM media.generated").await, 0, "and none that is said to be there");
    assert_summary(&job, &[("total_synced_items", 1), ("total_scenes_analyzed", 1), ("total_errors", 1)]);

    match &disk {
        Some(disk) => disk.free(),
        None => library.program("ffmpeg", ""),
    }
    let job = library.run(json!({})).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(library.previews().len(), 4);
}
