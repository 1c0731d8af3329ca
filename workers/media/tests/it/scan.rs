//! What is in the library, and the scenes that it makes.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path};

use drover_media_worker::{
    fault::FaultKind,
    jobs::{MediaScan, ScanResult, Sync, SyncPending, SyncPendingResult, SyncResult},
};
use drover_worker::testing::{Moment, TestCase, TestRun};
use serde_json::json;

use crate::support::{Site, age, made, result, script, video};

fn scanned(run: &TestRun) -> ScanResult {
    result(run)
}

async fn pending(site: &Site) -> u64 {
    let run = site.run(SyncPending(site.media.clone()), json!({})).await;
    result::<SyncPendingResult>(&run).pending
}

#[tokio::test]
async fn new_and_changed_videos_are_read_and_others_are_not_looked_at() {
    let site = Site::new().await;
    let one = site.video("one.mp4");
    site.video("deep/two.mp4");
    fs::write(site.media.folders.library.join("notes.txt"), "x").unwrap();
    let first = scanned(&site.scan().await);
    assert_eq!(first, ScanResult { total: 2, scanned: 2, ..ScanResult::default() });
    let columns = "SELECT duration_seconds, video_codec, width, height, frame_rate, container, title, status
        FROM media.files ORDER BY path";
    let rows = site.query(columns).await;
    let seconds: f64 = rows[0].get(0);
    assert!((seconds - 6.0).abs() < 0.3, "{seconds}");
    let (_, manifest) = made();
    let made = &manifest.videos[0];
    assert_eq!(rows[0].get::<_, &str>(1), made.codec);
    let size: (i32, i32) = (rows[0].get(2), rows[0].get(3));
    assert_eq!(size, (i32::try_from(made.width).unwrap(), i32::try_from(made.height).unwrap()));
    assert_eq!((rows[0].get::<_, f64>(4), rows[0].get::<_, &str>(6)), (10.0, "two"));
    assert!(rows[0].get::<_, &str>(5).contains("mp4"));

    let again = scanned(&site.scan().await);
    assert_eq!((again.scanned, again.unchanged), (0, 2));
    age(&one, 10);
    let touched = scanned(&site.scan().await);
    assert_eq!((touched.scanned, touched.unchanged), (1, 1));
}

#[tokio::test]
async fn orientation_and_codec_are_as_the_samples_say() {
    let site = Site::new().await;
    let (_, manifest) = made();
    for made in &manifest.videos {
        let to = site.media.folders.library.join(&made.path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(Path::new(&manifest.folder).join(&made.path), to).unwrap();
    }
    let run = site.scan().await;
    assert!(run.is_completed(), "{run:?}");
    let rows = site.query("SELECT path, video_codec, width, height FROM media.files").await;
    for made in &manifest.videos {
        let row = rows.iter().find(|row| row.get::<_, &str>(0).ends_with(&made.path)).unwrap();
        let size = (row.get::<_, i32>(2).unsigned_abs(), row.get::<_, i32>(3).unsigned_abs());
        assert_eq!((row.get::<_, &str>(1), size), (made.codec.as_str(), (made.width, made.height)), "{made:?}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_one_error_told_once_and_the_rest_goes_on() {
    let site = Site::new().await;
    let (_, manifest) = made();
    let damaged = site.media.folders.library.join("damaged.mp4");
    fs::copy(Path::new(&manifest.folder).join(&manifest.corrupt), &damaged).unwrap();
    site.video("good.mp4");
    fs::write(site.media.folders.library.join(OsStr::from_bytes(b"bad\xff.mp4")), "x").unwrap();
    // A playlist that calls itself a video would make ffmpeg open what it names.
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n";
    fs::write(site.media.folders.library.join("list.mp4"), playlist).unwrap();
    let run = site.scan().await;
    let found = scanned(&run);
    assert_eq!((found.total, found.scanned, found.failed), (3, 1, 3), "{run:?}");
    let kind = |name: &str| found.errors.iter().find(|error| error.item.contains(name)).unwrap().kind;
    assert_eq!((kind("damaged"), kind("bad"), kind("list")), (FaultKind::Corrupt, FaultKind::Name, FaultKind::Corrupt));
    assert!(!run.is_completed() && run.error().is_none(), "completed with errors: {run:?}");
    assert_eq!(pending(&site).await, 1, "what is no good makes no scene");

    let again = scanned(&site.scan().await);
    assert_eq!((again.failed, again.unchanged), (1, 3), "only the name is told again");
    // A scene whose file went bad waits until that is good again.
    let good = site.media.folders.library.join("good.mp4");
    site.sync().await;
    fs::copy(&damaged, &good).unwrap();
    site.scan().await;
    assert_eq!(site.unanalyzed(json!({})).await.items["scene_ids"].len(), 0);
    assert_eq!(site.without_previews().await.len(), 0);
    fs::remove_file(&good).unwrap();
    fs::remove_file(&damaged).unwrap();
    site.video("damaged.mp4");
    assert_eq!(scanned(&site.scan().await).scanned, 1, "another content may be good");
}

#[tokio::test]
async fn names_of_every_kind_are_read() {
    let site = Site::new().await;
    for name in ["new\nline.mp4", "quote\"d 'x'.mp4", "-i.mp4", "100%d.mp4", "http:x.mp4", "ü ☃.mp4", "a;b$(c).mp4"]
    {
        site.video(name);
    }
    let run = site.scan().await;
    assert_eq!(scanned(&run).scanned, 7, "{run:?}");
    assert_eq!(site.scenes().await.len(), 7);
}

#[tokio::test]
async fn a_moved_file_keeps_its_scene_and_a_lost_one_is_missing() {
    let site = Site::new().await;
    let (one, two) = (site.video("one.mp4"), site.video("two.mp4"));
    let before = site.scenes().await;
    site.apply("run", &[before["one.mp4"]]).await;
    fs::rename(&one, site.media.folders.library.join("elsewhere.mp4")).unwrap();
    fs::remove_file(&two).unwrap();
    let run = site.scan().await;
    let found = scanned(&run);
    assert_eq!((found.total, found.scanned, found.moved, found.gone), (1, 1, 1, 2), "{run:?}");
    let synced: SyncResult = result(&site.sync().await);
    assert_eq!((synced.total, synced.created, synced.updated), (2, 0, 2));
    let rows = site.query("SELECT id, title, missing, analyzed_at IS NOT NULL FROM media.scenes ORDER BY id").await;
    let seen: Vec<(i64, String, bool, bool)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    let mut expected =
        [(before["one.mp4"], "elsewhere".to_owned(), false, true), (before["two.mp4"], "two".to_owned(), true, false)];
    expected.sort();
    assert_eq!(seen, expected, "files are read at the same time: ids say nothing");
    site.video("two.mp4");
    site.scan().await;
    assert_eq!(result::<SyncResult>(&site.sync().await).updated, 1);
    assert_eq!(site.number("SELECT count(*) FROM media.scenes WHERE missing").await, 0, "it came back");
}

#[tokio::test]
async fn sync_does_what_is_pending_and_no_more() {
    let site = Site::new().await;
    assert_eq!(pending(&site).await, 0);
    for name in ["a.mp4", "b.mp4", "c.mp4"] {
        site.video(name);
    }
    site.scan().await;
    assert_eq!(pending(&site).await, 3);
    let first: SyncResult = result(&site.sync().await);
    assert_eq!(first, SyncResult { total: 3, processed: 3, created: 3, ..SyncResult::default() });
    assert_eq!((pending(&site).await, result::<SyncResult>(&site.sync().await).total), (0, 0));
    let forced: SyncResult = result(&site.run(Sync(site.media.clone()), json!({"force": true})).await);
    assert_eq!((forced.total, forced.created, forced.updated), (3, 0, 3));
    let times = "SELECT count(DISTINCT updated_at) FROM media.scenes";
    assert_eq!(site.number(times).await, 1, "one statement for all of them");
}

#[tokio::test]
async fn a_file_that_the_database_refuses_is_one_error_and_the_others_of_its_page_are_synced() {
    let site = Site::new().await;
    for name in ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"] {
        site.video(name);
    }
    site.scan().await;
    site.query("ALTER TABLE media.scenes ADD CONSTRAINT not_c CHECK (title <> 'c')").await;
    let run = site.sync().await;
    let synced: SyncResult = result(&run);
    assert_eq!((synced.total, synced.processed, synced.created, synced.failed), (5, 4, 4, 1), "{run:?}");
    assert!(synced.errors[0].item.ends_with("/c.mp4") && synced.errors[0].message.contains("not_c"), "{run:?}");
    assert_eq!(pending(&site).await, 1);
    let alone = site.sync().await;
    let error = alone.error().unwrap();
    assert!(!error.retryable && error.message.contains("c.mp4") && !error.message.contains("none of"), "{error}");
    site.query("ALTER TABLE media.scenes DROP CONSTRAINT not_c").await;
    assert_eq!(result::<SyncResult>(&site.sync().await).created, 1);
}

#[tokio::test]
async fn new_content_is_analyzed_anew() {
    let site = Site::new().await;
    let path = site.video("one.mp4");
    let scene = site.scenes().await["one.mp4"];
    site.apply("run", &[scene]).await;
    video(&path, &["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=1", "-f", "mp4"]);
    assert_eq!(site.scenes().await["one.mp4"], scene);
    let unanalyzed = site.unanalyzed(json!({})).await;
    assert_eq!(unanalyzed.items["scene_ids"], [json!(scene)]);
    site.apply("run 2", &[scene]).await;
    let tags = site.query("SELECT name FROM media.tags WHERE name LIKE 'resolution%' OR name LIKE 'dur%'").await;
    assert_eq!(tags.len(), 2, "what was written about the old content is gone: {tags:?}");
    assert_eq!(site.number("SELECT count(*) FROM media.markers").await, 0);
}

#[tokio::test]
async fn an_empty_folder_where_a_library_was_is_no_reason_to_forget_all() {
    let site = Site::new().await;
    assert!(site.scan().await.is_completed(), "a library may begin empty");
    let path = site.video("one.mp4");
    site.scenes().await;
    fs::remove_file(path).unwrap();
    let run = site.scan().await;
    let error = run.error().unwrap();
    assert!(error.retryable && error.message.contains("mounted") && error.message.contains("allow_empty"), "{error}");
    assert_eq!(site.number("SELECT count(*) FROM media.files WHERE status = 'gone'").await, 0);
    let run = site.run(MediaScan(site.media.clone()), json!({"allow_empty": true})).await;
    assert_eq!(scanned(&run).gone, 1);

    fs::remove_dir_all(&site.media.folders.library).unwrap();
    let run = site.scan().await;
    assert!(run.error().unwrap().message.starts_with("--library: cannot read"), "{run:?}");
}

#[tokio::test]
async fn a_missing_program_is_named_with_the_way_out() {
    let mut site = Site::new().await;
    site.video("one.mp4");
    let ffprobe = Path::new("/nowhere/ffprobe");
    site.media.tools =
        drover_media_worker::tools::Tools::new(Path::new("ffmpeg"), ffprobe, std::time::Duration::from_secs(9));
    let run = site.scan().await;
    let error = run.error().unwrap();
    assert_eq!((error.kind.as_str(), error.retryable), ("program", false));
    for part in ["ffprobe", "/nowhere/ffprobe", "apt-get install ffmpeg", "DROVER_MEDIA_FFPROBE"] {
        assert!(error.message.contains(part), "{error}");
    }
    assert_eq!(site.media.tools.check().unwrap_err().to_string(), error.message);
}

#[tokio::test]
async fn progress_counts_files_and_a_cancel_keeps_what_was_read() {
    let site = Site::new().await;
    for number in 0..12 {
        site.video(&format!("{number:02}.mp4"));
    }
    let third = |moment: Moment<'_>| matches!(moment, Moment::Progress(report) if report.processed == Some(3));
    let run = TestCase::new(MediaScan(site.media.clone())).cancel_when(third).run(json!({})).await;
    assert!(run.is_cancelled(), "{run:?}");
    let read = scanned(&run).scanned;
    assert!((3..12).contains(&read), "{read}");
    let run = site.scan().await;
    let rest = scanned(&run);
    assert_eq!(rest.scanned + rest.unchanged, 12);
    assert!(rest.unchanged >= 3);
    let last = run.progress.last().unwrap();
    assert_eq!((last.processed, last.total), (Some(12), Some(12)));
}

#[tokio::test]
async fn a_program_that_hangs_is_stopped() {
    let mut site = Site::new().await;
    site.video("one.mp4");
    let scene = site.scenes().await["one.mp4"];
    let slow = script(&site, "sleep 1000");
    site.media.tools = drover_media_worker::tools::Tools::new(
        Path::new(&slow),
        Path::new("ffprobe"),
        std::time::Duration::from_millis(300),
    );
    let run = site.analyze("run", 0, &[scene]).await;
    let error = run.error().unwrap();
    assert_eq!((error.kind.as_str(), error.retryable), ("slow", true), "{error}");
}
