//! From the drop folder into the library.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use drover_media_worker::{
    fault::FaultKind,
    jobs::{DownloadsResult, ProcessDownloads},
    tools::Tools,
};
use drover_worker::testing::{Moment, TestCase, TestRun};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Site, age, made, names, result};

fn downloaded(run: &TestRun) -> DownloadsResult {
    let result: DownloadsResult = result(run);
    if !run.is_cancelled() {
        let ends = result.synced_items + result.skipped_items + result.failed_items;
        assert_eq!((ends, result.processed_items), (result.total_items, result.total_items), "each has one end");
    }
    result
}

#[tokio::test]
async fn finished_videos_are_linked_once() {
    let site = Site::new().await;
    let one = site.download("one.mp4");
    site.download("trip/day 1/two.mkv");
    site.download("trip/three.webm");
    fs::write(site.media.folders.downloads.join("trip/notes.txt"), "x").unwrap();
    fs::write(site.media.folders.downloads.join("notes.txt"), "x").unwrap();

    let first = downloaded(&site.downloads(json!({})).await);
    let expected = DownloadsResult {
        total_items: 2,
        processed_items: 2,
        synced_items: 2,
        files_linked: 3,
        unscanned: Some(3),
        ..Default::default()
    };
    assert_eq!(first, expected);
    let library = &site.media.folders.library;
    assert_eq!(names(library), ["one.mp4", "trip/day 1/two.mkv", "trip/three.webm"]);
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    assert_eq!(inode(&library.join("one.mp4")), inode(&one), "a hard link");

    let again = site.downloads(json!({})).await;
    assert!(again.is_completed(), "{again:?}");
    let again = downloaded(&again);
    assert_eq!((again.files_linked, again.synced_items, again.skipped_items), (0, 0, 2));

    // Whoever removes a video from the library does not want it back; a download that is new is another one.
    fs::remove_file(library.join("one.mp4")).unwrap();
    assert_eq!(downloaded(&site.downloads(json!({})).await).files_linked, 0);
    fs::remove_file(&one).unwrap();
    let mut file = File::options().append(true).open(site.download("one.mp4")).unwrap();
    file.write_all(b"more").unwrap();
    age(&one, 60);
    assert_eq!(downloaded(&site.downloads(json!({})).await).files_linked, 1);
}

#[tokio::test]
async fn a_crash_between_the_link_and_its_note_links_nothing_twice() {
    let site = Site::new().await;
    site.download("one.mp4");
    downloaded(&site.downloads(json!({})).await);
    site.query("DELETE FROM media.downloads").await;
    let again = downloaded(&site.downloads(json!({})).await);
    assert_eq!((again.files_linked, again.skipped_items), (0, 1));
    assert_eq!(names(&site.media.folders.library), ["one.mp4"]);
    assert_eq!(site.number("SELECT count(*) FROM media.downloads").await, 1);
}

#[tokio::test]
async fn what_was_linked_waits_for_a_scan_until_one_has_met_it() {
    let mut site = Site::new().await;
    for name in ["one.mp4", "two.mp4", "three.mp4"] {
        site.download(name);
    }
    assert_eq!(downloaded(&site.downloads(json!({})).await).unscanned, Some(3));
    // The scan fails, or never runs: the next run has to know.
    let tools = site.media.tools.clone();
    site.media.tools = Tools::new(Path::new("ffmpeg"), Path::new("/nowhere/ffprobe"), Duration::from_secs(9));
    assert!(site.scan().await.error().is_some());
    site.media.tools = tools;
    let again = downloaded(&site.downloads(json!({})).await);
    assert_eq!((again.synced_items, again.unscanned), (0, Some(3)));

    let library = &site.media.folders.library;
    fs::remove_file(library.join("three.mp4")).unwrap();
    assert_eq!(downloaded(&site.downloads(json!({})).await).unscanned, Some(2), "what is not there needs no scan");
    site.scan().await;
    assert_eq!(downloaded(&site.downloads(json!({})).await).unscanned, Some(0));
    fs::rename(library.join("one.mp4"), library.join("renamed.mp4")).unwrap();
    site.scan().await;
    assert_eq!(downloaded(&site.downloads(json!({})).await).unscanned, Some(0), "it was met at its new place");
}

#[tokio::test]
async fn another_video_of_the_same_name_gets_a_number() {
    let site = Site::new().await;
    let there = site.video("one.mp4");
    let content = fs::read(&there).unwrap();
    site.download("one.mp4");
    assert_eq!(downloaded(&site.downloads(json!({})).await).files_linked, 1);
    assert_eq!(names(&site.media.folders.library), ["one (2).mp4", "one.mp4"]);
    assert_eq!(fs::read(&there).unwrap(), content);
}

#[tokio::test]
async fn what_is_not_finished_waits() {
    let site = Site::new().await;
    let downloads = &site.media.folders.downloads;
    fs::write(downloads.join("a.mp4.part"), "x").unwrap();
    fs::write(downloads.join("b.mp4.crdownload"), "x").unwrap();
    site.download("c.mp4");
    fs::write(downloads.join("c.mp4.aria2"), "x").unwrap();
    site.download("half/1.mp4");
    fs::write(downloads.join("half/2.mp4.!qB"), "x").unwrap();
    age(&site.download("fresh.mp4"), 2);
    fs::write(downloads.join("empty.mp4"), "").unwrap();
    age(&downloads.join("empty.mp4"), 60);
    let locked = File::open(site.download("locked.mp4")).unwrap();
    locked.lock().unwrap();

    let run = site.downloads(json!({})).await;
    assert!(run.is_completed(), "nothing of it is an error: {run:?}");
    let found = downloaded(&run);
    assert_eq!((found.total_items, found.skipped_items, found.files_linked), (7, 7, 0), "{run:?}");
    let log: Vec<&str> = run.logs.iter().map(|line| line.message.as_str()).collect();
    for (name, reason) in [
        ("c.mp4", "c.mp4.aria2"),
        ("half", "2.mp4.!qB"),
        ("fresh.mp4", "a moment ago"),
        ("locked.mp4", "locked"),
        ("empty.mp4", "empty"),
    ] {
        assert!(log.iter().any(|line| line.contains(name) && line.contains(reason)), "{name}: {log:#?}");
    }

    drop(locked);
    fs::remove_file(downloads.join("c.mp4.aria2")).unwrap();
    assert_eq!(downloaded(&site.downloads(json!({})).await).files_linked, 2);
}

#[tokio::test]
async fn a_file_that_is_written_to_is_growing_whatever_its_time_says() {
    let site = Site::new().await;
    let path = site.download("growing.mp4");
    site.download("whole.mp4");
    let stop = Arc::new(AtomicBool::new(false));
    let writes = Arc::clone(&stop);
    let writer = std::thread::spawn(move || {
        let mut file = File::options().append(true).open(&path).unwrap();
        while !writes.load(Relaxed) {
            file.write_all(b"more").unwrap();
            age(&path, 3_600);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let run = site.downloads(json!({})).await;
    stop.store(true, Relaxed);
    writer.join().unwrap();
    let found = downloaded(&run);
    assert_eq!((found.skipped_items, found.files_linked), (1, 1), "{run:?}");
    assert_eq!(names(&site.media.folders.library), ["whole.mp4"]);
}

#[tokio::test]
async fn short_videos_are_left_out_when_asked() {
    let site = Site::new().await;
    site.download("six seconds.mp4");
    let run = site.downloads(json!({"exclude_small_vids": true, "minimum_seconds": 6.5})).await;
    let found = downloaded(&run);
    assert_eq!((found.under_duration, found.files_linked, found.skipped_items), (1, 0, 1), "{run:?}");
    let run = site.downloads(json!({"exclude_small_vids": true})).await;
    assert_eq!(downloaded(&run).under_duration, 1, "30 seconds unless told otherwise");
    let run = site.downloads(json!({"exclude_small_vids": true, "minimum_seconds": 5})).await;
    assert_eq!(downloaded(&run).files_linked, 1);
    for wrong in [json!({"minimum_seconds": -1}), json!({"quiet_seconds": 1e9}), json!({"minimum": 3})] {
        let run = site.downloads(wrong.clone()).await;
        assert_eq!(run.error().unwrap().kind, "invalid_params", "{wrong}");
    }
}

#[tokio::test]
async fn a_damaged_video_is_one_failed_item_where_its_length_counts() {
    let site = Site::new().await;
    let (_, manifest) = made();
    let damaged = site.media.folders.downloads.join("damaged.mp4");
    fs::copy(Path::new(&manifest.folder).join(&manifest.corrupt), &damaged).unwrap();
    age(&damaged, 60);
    site.download("good.mp4");
    let run = site.downloads(json!({"exclude_small_vids": true, "minimum_seconds": 1})).await;
    let found = downloaded(&run);
    assert_eq!((found.synced_items, found.failed_items, found.errors.len()), (1, 1, 1), "{run:?}");
    assert_eq!(found.errors[0].kind, FaultKind::Corrupt);
    assert!(found.errors[0].item.ends_with("damaged.mp4") && found.errors[0].message.contains("ffprobe"), "{run:?}");
    assert!(!run.is_completed());
}

#[tokio::test]
async fn names_of_every_kind_are_taken_and_a_name_that_is_no_text_is_told() {
    let site = Site::new().await;
    let odd = ["new\nline.mp4", "quote\"d 'x'.mp4", "-i.mp4", "100%d.mp4", "http:x.mp4", "ü ☃.mp4", "[a]*?.mp4"];
    for name in odd {
        site.download(name);
    }
    site.download("good.mp4");
    let bad = site.media.folders.downloads.join(OsStr::from_bytes(b"bad-\xff.mp4"));
    fs::write(&bad, "x").unwrap();
    age(&bad, 60);
    let run = site.downloads(json!({"exclude_small_vids": true, "minimum_seconds": 1})).await;
    let found = downloaded(&run);
    assert_eq!((found.files_linked, found.failed_items), (odd.len() as u64 + 1, 1), "{run:?}");
    assert_eq!(found.errors[0].kind, FaultKind::Name);
    assert!(found.errors[0].message.contains("rename"));
    let mut linked = names(&site.media.folders.library);
    linked.sort_unstable();
    let mut expected = [&odd[..], &["good.mp4"]].concat();
    expected.sort_unstable();
    assert_eq!(linked, expected);
}

#[tokio::test]
async fn links_are_not_followed() {
    let site = Site::new().await;
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret.mp4"), "x").unwrap();
    let downloads = &site.media.folders.downloads;
    std::os::unix::fs::symlink(outside.path().join("secret.mp4"), downloads.join("link.mp4")).unwrap();
    std::os::unix::fs::symlink(outside.path(), downloads.join("folder")).unwrap();
    assert_eq!(downloaded(&site.downloads(json!({})).await).total_items, 0);
}

/// A drop folder on another device: memory.
async fn apart() -> Site {
    let mut site = Site::new().await;
    let elsewhere = TempDir::new_in("/dev/shm").unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(elsewhere.path()), device(site.root.path()), "this test needs /dev/shm to be another device");
    site.media.folders.downloads = elsewhere.keep();
    site
}

#[tokio::test]
async fn across_devices_a_whole_copy_appears() {
    let site = apart().await;
    let from = site.download("one.mp4");
    let content = fs::read(&from).unwrap();
    let first = downloaded(&site.downloads(json!({})).await);
    assert_eq!((first.files_linked, first.failed_items), (1, 0));
    let to = site.media.folders.library.join("one.mp4");
    assert_eq!(fs::read(&to).unwrap(), content);
    assert_eq!(names(&site.media.folders.library), ["one.mp4"], "no temporary file");

    // A crash after the copy and before its note: the copy is known again.
    site.query("DELETE FROM media.downloads").await;
    let again = downloaded(&site.downloads(json!({})).await);
    assert_eq!((again.files_linked, names(&site.media.folders.library).len()), (0, 1));
    fs::remove_dir_all(&site.media.folders.downloads).unwrap();
}

#[tokio::test]
async fn a_cancel_ends_it_between_two_downloads() {
    let site = Site::new().await;
    for number in 0..5 {
        site.download(&format!("{number}.mp4"));
    }
    let second = |moment: Moment<'_>| matches!(moment, Moment::Progress(report) if report.processed == Some(2));
    let run = TestCase::new(ProcessDownloads(site.media.clone())).cancel_when(second).run(json!({})).await;
    assert!(run.is_cancelled(), "{run:?}");
    assert_eq!(downloaded(&run).files_linked, 2);
    assert_eq!(downloaded(&site.downloads(json!({})).await).files_linked, 3, "the rest");
}

#[tokio::test]
async fn a_drop_folder_that_is_away_is_an_error_and_not_zero_downloads() {
    let site = Site::new().await;
    fs::remove_dir(&site.media.folders.downloads).unwrap();
    let run = site.downloads(json!({})).await;
    let error = run.error().unwrap();
    assert!(error.retryable && error.message.starts_with("--downloads: cannot read"), "{error}");
    assert_eq!(downloaded(&run).unscanned, None, "and nobody knows that nothing waits for a scan");
}
