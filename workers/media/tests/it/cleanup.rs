//! What nobody needs any more.

use std::fs;

use drover_media_worker::{
    draft::TEMP_PREFIX,
    jobs::{CleanupResult, MediaCleanup},
};
use drover_worker::testing::TestRun;
use serde_json::{Value, json};

use crate::support::{Site, age, names, result};

async fn cleanup(site: &Site, params: Value) -> TestRun {
    site.run(MediaCleanup(site.media.clone()), params).await
}

#[tokio::test]
async fn scenes_without_file_go_when_they_have_been_so_for_long() {
    let site = Site::new().await;
    let path = site.video("1.mp4");
    site.video("2.mp4");
    let scenes = site.scenes().await;
    let ids: Vec<i64> = scenes.values().copied().collect();
    site.generate(&ids).await;
    fs::remove_file(path).unwrap();
    site.scenes().await;
    let kept: CleanupResult = result(&cleanup(&site, json!({})).await);
    assert_eq!((kept.scenes_removed, kept.folders_removed), (0, 0), "it may come back");

    let run = cleanup(&site, json!({"missing_days": 0})).await;
    let removed: CleanupResult = result(&run);
    assert!(run.is_completed(), "{run:?}");
    assert_eq!((removed.scenes_removed, removed.folders_removed), (1, 1));
    assert!(removed.freed_bytes > 1_000);
    assert!(!site.media.folders.of_scene(scenes["1.mp4"]).exists());
    assert!(site.media.folders.of_scene(scenes["2.mp4"]).exists());
    assert_eq!(site.number("SELECT count(*) FROM media.scenes").await, 1);
    assert_eq!(site.number("SELECT count(*) FROM media.generated").await, 3);
    assert_eq!(names(&site.media.folders.library), ["2.mp4"], "no video is touched");
    let again: CleanupResult = result(&cleanup(&site, json!({"missing_days": 0})).await);
    assert_eq!(again, CleanupResult::default());
}

#[tokio::test]
async fn temporary_files_of_dead_runs_go_and_those_of_others_stay() {
    let site = Site::new().await;
    let folders = &site.media.folders;
    fs::create_dir_all(folders.generated.join("7")).unwrap();
    let (old, fresh) =
        (folders.library.join(format!("{TEMP_PREFIX}a")), folders.library.join(format!("{TEMP_PREFIX}b")));
    let mine = folders.generated.join("notes.txt");
    for path in [&old, &fresh, &mine] {
        fs::write(path, "12345").unwrap();
    }
    age(&old, 72 * 3_600);
    age(&mine, 72 * 3_600);
    fs::create_dir_all(folders.generated.join("007")).unwrap();
    let run = cleanup(&site, json!({})).await;
    let removed: CleanupResult = result(&run);
    assert_eq!((removed.temp_files_removed, removed.freed_bytes, removed.folders_removed), (1, 5, 1), "{run:?}");
    assert!(!old.exists() && fresh.exists() && mine.exists() && folders.generated.join("007").exists());
}

#[tokio::test]
async fn old_plans_are_put_aside_and_then_removed() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    site.analyze("run", 0, &scenes).await;
    let kept: CleanupResult = result(&cleanup(&site, json!({})).await);
    assert_eq!(kept.plans_drafted, 0);
    site.query("UPDATE media.plans SET created_at = now() - interval '8 days'").await;
    let drafted: CleanupResult = result(&cleanup(&site, json!({})).await);
    assert_eq!((drafted.plans_drafted, drafted.plans_removed), (1, 0));
    assert_eq!(site.unanalyzed(json!({})).await.items["scene_ids"].len(), 1, "its scene is free again");
    site.query("UPDATE media.plans SET decided_at = now() - interval '31 days'").await;
    let removed: CleanupResult = result(&cleanup(&site, json!({})).await);
    assert_eq!(removed.plans_removed, 1);
    assert_eq!(site.number("SELECT count(*) FROM media.plan_changes").await, 0);
}

#[tokio::test]
async fn previews_that_somebody_removed_are_made_again() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    site.generate(&[scene]).await;
    fs::remove_file(site.media.folders.of_scene(scene).join("thumbnail.jpg")).unwrap();
    assert_eq!(site.without_previews().await.len(), 0);
    let forgotten: CleanupResult = result(&cleanup(&site, json!({})).await);
    assert_eq!(forgotten.previews_forgotten, 1);
    assert_eq!(site.without_previews().await, [json!(scene)]);
}
