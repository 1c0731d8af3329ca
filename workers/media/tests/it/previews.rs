//! Thumbnails, sprite sheets, clips.

use std::{fs, path::Path};

use drover_media_worker::{
    fault::FaultKind,
    jobs::{Generate, GenerateResult},
};
use drover_worker::testing::TestRun;
use serde_json::json;

use crate::support::{Site, names, result, script, shape};

fn generated(run: &TestRun) -> GenerateResult {
    result(run)
}

#[tokio::test]
async fn each_scene_gets_a_picture_a_sheet_with_times_and_a_clip() {
    let site = Site::new().await;
    let name = "new\nline \"q\" %d.mp4";
    site.video(name);
    let scene = site.scenes().await[name];
    assert_eq!(site.without_previews().await, [json!(scene)]);
    let run = site.generate(&[scene]).await;
    let made = generated(&run);
    assert!(run.is_completed(), "{run:?}");
    assert_eq!((made.generated, made.skipped, made.failed, made.paths.len()), (3, 0, 0, 4));
    assert!(made.paths.iter().all(|path| Path::new(path).is_file()), "{made:?}");

    let folder = site.media.folders.of_scene(scene);
    let files = names(&folder);
    let clip = files.iter().find(|name| name.starts_with("preview.")).unwrap();
    assert_eq!(files, [clip.as_str(), "sprite.jpg", "sprite.vtt", "thumbnail.jpg"], "no temporary file");
    let (width, height, _) = shape(&folder.join("thumbnail.jpg"));
    assert_eq!((width, height), (640, 360));
    let (width, height, _) = shape(&folder.join("sprite.jpg"));
    assert_eq!((width, height), (3 * 160, 2 * 90), "six seconds");
    let (width, height, seconds) = shape(&folder.join(clip));
    assert_eq!((width, height), (640, 360));
    assert!((5.0..7.0).contains(&seconds), "{seconds}");
    let times = fs::read_to_string(folder.join("sprite.vtt")).unwrap();
    assert!(times.starts_with("WEBVTT\n\n00:00:00.000 --> ") && times.matches("sprite.jpg#xywh=").count() == 6);

    let percents: Vec<f64> = run.progress.iter().filter_map(|report| report.percent).collect();
    assert!(percents.windows(2).all(|pair| pair[0] <= pair[1]), "{percents:?}");
    assert!(percents.iter().any(|percent| (51.0..100.0).contains(percent)), "within the clip: {percents:?}");
}

#[tokio::test]
async fn what_is_up_to_date_is_passed_over() {
    let site = Site::new().await;
    site.video("1.mp4");
    site.video("2.mp4");
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    assert_eq!(generated(&site.generate(&scenes).await).generated, 6);
    assert_eq!(site.without_previews().await.len(), 0);
    let again = generated(&site.generate(&scenes).await);
    assert_eq!((again.generated, again.skipped), (0, 6));

    fs::remove_file(site.media.folders.of_scene(scenes[0]).join("sprite.vtt")).unwrap();
    let again = generated(&site.generate(&scenes).await);
    assert_eq!((again.generated, again.skipped), (1, 5), "a file that somebody removed");
    let forced = site.run(Generate(site.media.clone()), json!({"scene_ids": scenes, "force": true})).await;
    assert_eq!(generated(&forced).generated, 6);
}

#[tokio::test]
async fn a_scene_that_is_not_there_fails_and_the_rest_goes_on() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    let run = site.generate(&[999, scene]).await;
    let made = generated(&run);
    assert_eq!((made.generated, made.failed), (3, 3), "{run:?}");
    assert_eq!((made.errors[0].item.as_str(), made.errors[0].kind), ("scene 999", FaultKind::Gone));
    assert!(!run.is_completed() && run.error().is_none());
    assert!(site.generate(&[999]).await.error().is_some_and(|error| !error.retryable));
}

#[tokio::test]
async fn a_file_that_gives_no_picture_is_not_tried_again_by_itself() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    // Its head is good, and its pictures are not.
    let broken = script(&site, "case \"$*\" in *-encoders*) exec ffmpeg \"$@\";; esac; echo 'no frame!' >&2; exit 1");
    let site = site.with_ffmpeg(&broken);
    let run = site.generate(&[scene]).await;
    let error = run.error().unwrap();
    assert!(!error.retryable && error.message.contains("no frame!"), "{error}");
    let made = generated(&run);
    assert_eq!((made.failed, made.errors.len()), (3, 3));
    assert_eq!(names(&site.media.folders.of_scene(scene)), Vec::<String>::new(), "no half file");
    assert_eq!(site.without_previews().await.len(), 0);
    let site = site.with_ffmpeg("ffmpeg");
    assert_eq!(generated(&site.generate(&[scene]).await).generated, 3, "when it is asked for by name");
}

#[tokio::test]
async fn an_ffmpeg_without_encoders_fails_the_job_and_blames_no_scene() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    let bare = script(&site, "case \"$*\" in *-encoders*) exit 0;; esac; exec ffmpeg \"$@\"");
    let site = site.with_ffmpeg(&bare);
    let run = site.generate(&[scene]).await;
    let error = run.error().unwrap();
    assert!(error.kind == "program" && error.message.contains("another build"), "{error}");
    assert_eq!(generated(&run).generated, 2, "what needs none is made");
    assert_eq!(site.without_previews().await.len(), 1);
}

#[tokio::test]
async fn an_ffmpeg_that_was_ended_from_outside_blames_no_scene() {
    let mut site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    // By the signal itself, and as ffmpeg ends when it has caught one.
    for end in ["kill -TERM $$", "exit 255"] {
        let stopped = script(&site, &format!("case \"$*\" in *-encoders*) exec ffmpeg \"$@\";; esac; {end}"));
        site = site.with_ffmpeg(&stopped);
        let run = site.generate(&[scene]).await;
        assert!(!run.is_completed(), "{run:?}");
        assert_eq!(site.number("SELECT count(*) FROM media.generated").await, 0, "{end}: {run:?}");
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_no_half_file() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    // No file may grow beyond two blocks: what the system then says and does is what a full disk does.
    let full = script(&site, "ulimit -f 2; trap '' XFSZ; exec ffmpeg \"$@\"");
    let site = site.with_ffmpeg(&full);
    let run = site.generate(&[scene]).await;
    let made = generated(&run);
    assert!(made.failed >= 1, "{run:?}");
    assert!(made.errors.iter().all(|error| error.kind == FaultKind::DiskFull), "{made:?}");
    assert!(made.errors[0].message.contains("free some space"), "{made:?}");
    let left = names(&site.media.folders.of_scene(scene));
    assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
    assert_eq!(site.without_previews().await.len(), 1, "another attempt may have room");
    let site = site.with_ffmpeg("ffmpeg");
    let made = generated(&site.generate(&[scene]).await);
    assert_eq!((made.failed, made.generated + made.skipped), (0, 3));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    // A file in its place: also root cannot write there.
    fs::write(site.media.folders.of_scene(scene), "in the way").unwrap();
    let run = site.generate(&[scene]).await;
    let error = run.error().unwrap();
    assert_eq!((error.kind.as_str(), error.retryable), ("io", true), "{error}");
    assert!(error.message.contains("cannot write a preview"), "{error}");
}
