//! A whole run over the samples, step by step, against their manifest.

use std::{fs, path::Path};

use drover_media_worker::{
    jobs::{AnalysisResult, AppliedResult, DownloadsResult, ScanResult, SyncResult},
    samples,
};
use serde_json::json;

use crate::support::{Site, result};

#[tokio::test]
async fn the_samples_come_into_the_library_as_their_manifest_says() {
    let site = Site::new().await;
    fs::remove_dir(&site.media.folders.downloads).unwrap();
    let manifest = samples::generate(&site.media.folders.downloads, Path::new("ffmpeg")).unwrap();
    let videos = manifest.videos.len() as u64;

    let short = json!({"exclude_small_vids": true, "minimum_seconds": manifest.minimum_seconds});
    let run = site.downloads(short).await;
    let found: DownloadsResult = result(&run);
    assert_eq!((found.total_items, found.under_duration), (manifest.items, 1), "{run:?}");
    assert_eq!((found.files_linked, found.failed_items), (videos - 1, 1), "{run:?}");
    assert!(found.errors[0].item.ends_with(&manifest.corrupt));
    let run = site.downloads(json!({})).await;
    let rest: DownloadsResult = result(&run);
    assert_eq!(found.files_linked + rest.files_linked, manifest.linked, "the short one and the damaged one");

    let run = site.scan().await;
    let scanned: ScanResult = result(&run);
    assert_eq!((scanned.total, scanned.scanned, scanned.failed), (manifest.linked, videos, 1), "{run:?}");
    let synced: SyncResult = result(&site.sync().await);
    assert_eq!(synced.created, videos);

    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    let plan: AnalysisResult = result(&site.analyze("run", 0, &scenes).await);
    assert_eq!(plan.scenes_analyzed, videos);
    site.run(drover_media_worker::jobs::ApprovePlan(site.media.clone()), json!({"plan_id": plan.plan_id})).await;
    let run =
        site.run(drover_media_worker::jobs::ApplyPlan(site.media.clone()), json!({"plan_id": plan.plan_id})).await;
    assert_eq!(result::<AppliedResult>(&run).changes_applied, plan.changes_proposed);
    for made in &manifest.videos {
        let markers = format!(
            "SELECT at_ms FROM media.markers m JOIN media.scenes s ON s.id = m.scene_id JOIN media.files f ON f.id = s.file_id
             WHERE f.path LIKE '%{}' ORDER BY at_ms",
            made.path
        );
        let places: Vec<i64> = site.query(&markers).await.iter().map(|row| row.get(0)).collect();
        let cuts: Vec<i64> = made.cuts.iter().map(|second| i64::from(*second) * 1_000).collect();
        assert_eq!(places, cuts, "{made:?}");
    }
    let run = site.generate(&scenes).await;
    assert!(run.is_completed(), "{run:?}");
    assert_eq!(site.without_previews().await.len(), 0);
}
