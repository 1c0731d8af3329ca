//! A cancel in the middle of ffmpeg: no process is left, and no half file.

use std::{fs, path::Path, time::Duration};

use drover_media_worker::jobs::{Analysis, Generate};
use drover_tests::wait::{self, Seen};
use drover_worker::{
    Job,
    testing::{Moment, TestCase, TestRun},
};
use serde_json::{Value, json};

use crate::support::{Site, names, script};

/// A library with a video of six seconds, and an ffmpeg that takes as long to read it.
async fn slow() -> (Site, i64) {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    let slow = "case \"$*\" in *filter_complex*|*scene,0*) exec ffmpeg -re \"$@\";; esac; exec ffmpeg \"$@\"";
    let slow = script(&site, slow);
    (site.with_ffmpeg(&slow), scene)
}

/// Whether a process works on a video of the library, by its command line.
fn works_on(site: &Site) -> bool {
    let path = site.media.folders.library.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let own = std::process::id().to_string();
    let mut lines = processes
        .filter(|process| process.file_name().to_string_lossy().parse::<u32>().is_ok())
        .filter(|process| process.file_name().to_string_lossy() != own)
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(path))
}

async fn cancelled_within<J: Job>(job: J, params: Value, percent: f64) -> TestRun {
    let within = move |moment: Moment<'_>| matches!(moment, Moment::Progress(report) if report.percent.is_some_and(|p| p > percent));
    TestCase::new(job).cancel_when(within).run(params).await
}

#[tokio::test]
async fn an_analysis_stops_with_its_ffmpeg() {
    let (site, scene) = slow().await;
    let params = json!({"scene_ids": [scene], "run_id": "run", "batch": 0});
    let run = cancelled_within(Analysis(site.media.clone()), params, 1.0).await;
    assert!(run.is_cancelled(), "{run:?}");
    assert!(!works_on(&site), "ffmpeg ended with the job");
    let percent = run.progress.last().unwrap().percent.unwrap();
    assert!(percent < 90.0, "in the middle: {percent}");
    assert_eq!(site.number("SELECT count(*) FROM media.plans").await, 0);
}

#[tokio::test]
async fn a_preview_that_is_cancelled_leaves_no_half_file() {
    let (site, scene) = slow().await;
    let params = json!({"scene_ids": [scene]});
    // In the middle of the clip, of which ffmpeg tells how far it is.
    let run = cancelled_within(Generate(site.media.clone()), params, 50.0).await;
    assert!(run.is_cancelled(), "{run:?}");
    assert!(!works_on(&site));
    let left = names(&site.media.folders.of_scene(scene));
    assert_eq!(left, ["sprite.jpg", "sprite.vtt", "thumbnail.jpg"], "what was whole by then, and nothing else");
    let run = site.with_ffmpeg("ffmpeg").generate(&[scene]).await;
    assert!(run.is_completed(), "{run:?}");
}

#[tokio::test]
async fn a_program_that_will_not_end_is_killed_with_what_it_started() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    let started = site.root.path().join("started");
    // It says how far it is, and then neither ends nor lets its own child end.
    let stubborn = script(
        &site,
        &format!(
            "trap '' TERM; echo 'frame:0 pts:1 pts_time:3'; (sleep 997; :) & echo $! > '{}'; while :; do sleep 1; done",
            started.display()
        ),
    );
    let site = site.with_ffmpeg(&stubborn);
    let params = json!({"scene_ids": [scene], "run_id": "run", "batch": 0});
    let run = cancelled_within(Analysis(site.media.clone()), params, 1.0).await;
    assert!(run.is_cancelled(), "{run:?}");
    let child = fs::read_to_string(started).unwrap();
    let child = Path::new("/proc").join(child.trim());
    // Killed at once; the system takes a moment to clear it away.
    wait::until("its child to die", Duration::from_secs(5), async || {
        let stat = fs::read_to_string(child.join("stat")).unwrap_or_default();
        Ok(if stat.is_empty() || stat.contains(") Z ") { Seen::Yes(()) } else { Seen::not_yet(stat) })
    })
    .await
    .unwrap();
}
