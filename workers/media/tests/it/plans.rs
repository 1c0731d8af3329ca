//! From an analysis to what is written about a scene.

use std::time::Duration;

use drover_media_worker::{
    fault::FaultKind,
    jobs::{
        Analysis, AnalysisResult, AppliedResult, ApplyPlan, ApprovePlan, ApprovedResult, DraftPlans, DraftedResult,
        MediaCleanup, PlanTotals, RefusePlan, RefusedResult, TotalsResult, UnanalyzedResult,
    },
};
use drover_tests::wait::{self, Seen};
use drover_worker::testing::{Moment, TestCase, TestRun};
use serde_json::{Value, json};

use crate::support::{Site, made, result, script, video};

pub(crate) fn analyzed(run: &TestRun) -> AnalysisResult {
    result(run)
}

pub(crate) async fn status(site: &Site, plan: i64) -> String {
    site.query(&format!("SELECT status FROM media.plans WHERE id = {plan}")).await[0].get(0)
}

pub(crate) async fn approve(site: &Site, plan: i64) -> TestRun {
    site.run(ApprovePlan(site.media.clone()), json!({"plan_id": plan})).await
}

pub(crate) async fn apply(site: &Site, plan: i64) -> TestRun {
    site.run(ApplyPlan(site.media.clone()), json!({"plan_id": plan})).await
}

#[tokio::test]
async fn a_plan_proposes_tags_and_a_marker_for_each_cut() {
    let site = Site::new().await;
    site.video("Mountain lake.mp4");
    let scene = site.scenes().await["Mountain lake.mp4"];
    let run = site.analyze("run", 0, &[scene]).await;
    let plan = analyzed(&run);
    assert!(run.is_completed() && plan.errors.is_empty(), "{run:?}");
    assert_eq!(plan.scenes_analyzed, 1);
    let rows = site.query("SELECT kind, value, at_ms, status FROM media.plan_changes ORDER BY id").await;
    assert_eq!(rows.len() as u64, plan.changes_proposed);
    assert!(rows.iter().all(|row| row.get::<_, &str>(3) == "pending"));
    let tags: Vec<&str> = rows.iter().filter(|row| row.get::<_, &str>(0) == "tag").map(|row| row.get(1)).collect();
    let (_, manifest) = made();
    let codec = format!("codec:{}", manifest.videos[0].codec);
    let expected = ["resolution:low", "orientation:landscape", &codec, "duration:clip", "mountain", "lake"];
    assert_eq!(tags, expected);
    let cuts: Vec<i64> = rows.iter().filter_map(|row| row.get::<_, Option<i64>>(2)).collect();
    let expected: Vec<i64> = manifest.videos[0].cuts.iter().map(|second| i64::from(*second) * 1_000).collect();
    assert_eq!(cuts, expected);

    // Progress within the one video, from ffmpeg's own output.
    let percents: Vec<f64> = run.progress.iter().filter_map(|report| report.percent).collect();
    assert!(percents.windows(2).all(|pair| pair[0] <= pair[1]), "{percents:?}");
    assert!(percents.iter().any(|percent| (1.0..99.0).contains(percent)), "{percents:?}");
    assert_eq!(run.progress.last().unwrap().percent, Some(100.0));
}

#[tokio::test]
async fn a_batch_has_one_plan_however_often_it_is_analyzed() {
    let site = Site::new().await;
    site.video("one.mp4");
    let scene = site.scenes().await["one.mp4"];
    let first = analyzed(&site.analyze("run", 0, &[scene]).await);
    let again = analyzed(&site.analyze("run", 0, &[scene]).await);
    assert_eq!(first, again);
    assert_eq!(site.number("SELECT count(*) FROM media.plans").await, 1);
    let other = analyzed(&site.analyze("run 2", 0, &[scene]).await);
    assert_eq!((other.scenes_analyzed, other.changes_proposed), (0, 0), "the scene has an open plan");
}

#[tokio::test]
async fn of_two_that_analyze_a_batch_at_once_one_makes_the_plan() {
    let site = Site::new().await;
    site.video("one.mp4");
    let scene = site.scenes().await["one.mp4"];
    let scenes = [scene];
    let (a, b, c) = tokio::join!(
        site.analyze("run", 0, &scenes),
        site.analyze("run", 0, &scenes),
        site.analyze("other", 0, &scenes)
    );
    assert_eq!(analyzed(&a), analyzed(&b));
    assert_eq!(analyzed(&a).scenes_analyzed + analyzed(&c).scenes_analyzed, 1, "one open plan for a scene");
    assert_eq!(site.number("SELECT count(*) FROM media.plans WHERE run_id = 'run'").await, 1);
}

#[tokio::test]
async fn a_cancel_in_the_middle_makes_no_plan_and_a_repeat_goes_on() {
    let site = Site::new().await;
    for name in ["1.mp4", "2.mp4", "3.mp4"] {
        site.video(name);
    }
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    let params = json!({"scene_ids": scenes, "run_id": "run", "batch": 0});
    let second = |moment: Moment<'_>| matches!(moment, Moment::Progress(report) if report.processed == Some(1));
    let run = TestCase::new(Analysis(site.media.clone())).cancel_when(second).run(&params).await;
    assert!(run.is_cancelled(), "{run:?}");
    assert_eq!(site.number("SELECT count(*) FROM media.plans").await, 0);
    let looked_at = site.number("SELECT count(*) FROM media.cuts").await;
    assert!(looked_at >= 1, "what was found is kept");
    let plan = analyzed(&site.analyze("run", 0, &scenes).await);
    assert_eq!(plan.scenes_analyzed, 3);
}

#[tokio::test]
async fn what_is_approved_is_applied_once() {
    let site = Site::new().await;
    site.video("beach.mp4");
    let scene = site.scenes().await["beach.mp4"];
    site.query(&format!("INSERT INTO media.tags VALUES ({scene}, 'mine', NULL), ({scene}, 'beach', NULL)")).await;
    let plan = analyzed(&site.analyze("run", 0, &[scene]).await);

    let early = apply(&site, plan.plan_id).await;
    let error = early.error().unwrap();
    assert!(!error.retryable && error.message.contains("is pending") && error.message.contains("approve"), "{error}");

    for _ in 0..2 {
        let approved: ApprovedResult = result(&approve(&site, plan.plan_id).await);
        assert_eq!(approved.changes_approved, plan.changes_proposed);
    }
    for _ in 0..2 {
        let run = apply(&site, plan.plan_id).await;
        let applied: AppliedResult = result(&run);
        assert_eq!((applied.changes_applied, applied.errors.len()), (plan.changes_proposed, 0), "{run:?}");
    }
    assert_eq!(status(&site, plan.plan_id).await, "applied");
    let (tags, markers) =
        (site.number("SELECT count(*) FROM media.tags").await, site.number("SELECT count(*) FROM media.markers").await);
    let proposed = i64::try_from(plan.changes_proposed).unwrap();
    assert_eq!(tags + markers, proposed + 1, "a person's tags stay, and one was there");
    assert_eq!(site.unanalyzed(json!({})).await.items["scene_ids"], Vec::<Value>::new());

    let totals = site.run(PlanTotals(site.media.clone()), json!({"run_id": "run"})).await;
    let expected = TotalsResult {
        plans: 1,
        scenes_analyzed: 1,
        changes_proposed: plan.changes_proposed,
        changes_approved: plan.changes_proposed,
        changes_applied: plan.changes_proposed,
    };
    assert_eq!(result::<TotalsResult>(&totals), expected);
    let record = json!({
        "batch_num": 1, "scenes_analyzed": 1, "changes_approved": plan.changes_proposed, "changes_applied": plan.changes_proposed,
        "errors": 0,
    });
    assert_eq!(totals.items["batches"], [record]);
    let none = site.run(PlanTotals(site.media.clone()), json!({"run_id": "none"})).await;
    assert_eq!(result::<TotalsResult>(&none).plans, 0);
    assert_eq!(none.items["batches"], [] as [Value; 0]);
}

#[tokio::test]
async fn changes_of_a_scene_that_is_gone_are_told_and_the_rest_is_applied() {
    let site = Site::new().await;
    site.video("1.mp4");
    site.video("2.mp4");
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    let plan = analyzed(&site.analyze("run", 0, &scenes).await);
    approve(&site, plan.plan_id).await;
    site.query(&format!("DELETE FROM media.scenes WHERE id = {}", scenes[0])).await;
    for _ in 0..2 {
        let run = apply(&site, plan.plan_id).await;
        let applied: AppliedResult = result(&run);
        assert!(applied.changes_applied > 0 && applied.changes_applied < plan.changes_proposed);
        assert_eq!((applied.errors.len(), applied.errors[0].kind), (1, FaultKind::Lost), "{run:?}");
        assert_eq!(applied.errors[0].item, format!("scene {}", scenes[0]));
        assert!(!run.is_completed());
    }
}

/// A plan that is applied while somebody changes its scenes, as a sync does, decides by what they are then, and holds none of
/// them while it waits for another: that is how two deadlock.
#[tokio::test]
async fn a_plan_waits_for_whoever_changes_its_scenes_before_it_decides() {
    let site = Site::new().await;
    site.video("1.mp4");
    site.video("2.mp4");
    site.scenes().await;
    let rows = site.query("SELECT id FROM media.scenes ORDER BY file_id").await;
    let scenes: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let plan = analyzed(&site.analyze("run", 0, &scenes).await);
    approve(&site, plan.plan_id).await;

    let mut client = site.database.connect().await.unwrap();
    let other = client.transaction().await.unwrap();
    let lock = "SELECT FROM media.scenes WHERE id = $1 FOR UPDATE";
    other.execute(lock, &[&scenes[0]]).await.unwrap();
    let change = async {
        waits_for_a_lock(&site).await;
        other.execute(lock, &[&scenes[1]]).await.unwrap();
        let change = "UPDATE media.scenes SET fingerprint = 'another' WHERE id = $1";
        other.execute(change, &[&scenes[0]]).await.unwrap();
        other.commit().await.unwrap();
    };
    let (run, ()) = tokio::join!(apply(&site, plan.plan_id), change);
    let applied: AppliedResult = result(&run);
    assert_eq!((applied.errors.len(), applied.errors[0].kind), (1, FaultKind::Lost), "{run:?}");
    assert_eq!(applied.errors[0].item, format!("scene {}", scenes[0]));
    let of = |scene: i64| format!("SELECT count(*) FROM media.tags WHERE scene_id = {scene}");
    assert_eq!(site.number(&of(scenes[0])).await, 0, "nothing about a content that is gone is written");
    assert!(site.number(&of(scenes[1])).await > 0);
}

/// Waits until a job of the site waits for somebody else's lock.
async fn waits_for_a_lock(site: &Site) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'drover-media-worker' AND datname = current_database() AND wait_event_type = 'Lock'";
    wait::until("it to wait for a lock", Duration::from_secs(60), async || {
        Ok(if site.number(waiting).await > 0 { Seen::Yes(()) } else { Seen::not_yet("nobody waits") })
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn cuts_are_kept_as_long_as_a_scene_has_their_content() {
    let site = Site::new().await;
    let one = site.video("1.mp4");
    let copy = site.media.folders.library.join("copy.mp4");
    std::fs::copy(&one, &copy).unwrap();
    let scenes = site.scenes().await;
    let cuts = "SELECT count(*) FROM media.cuts";
    site.apply("run", &[scenes["1.mp4"]]).await;
    assert_eq!(site.number(cuts).await, 1);
    video(&one, &["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1", "-f", "mp4"]);
    site.scenes().await;
    assert_eq!(site.number(cuts).await, 1, "the copy still has it");
    site.analyze("run 2", 0, &[scenes["1.mp4"]]).await;
    assert_eq!(site.number(cuts).await, 2);

    std::fs::remove_file(&copy).unwrap();
    site.scenes().await;
    assert_eq!(site.number(cuts).await, 2, "it may come back");
    site.run(MediaCleanup(site.media.clone()), json!({"missing_days": 0})).await;
    assert_eq!(site.number(cuts).await, 1, "it went with its last scene");
    // Somebody analyzed what was changed meanwhile.
    site.media.store.record_cuts("of nobody", &[]).await.unwrap();
    assert_eq!(site.number(cuts).await, 1);
}

#[tokio::test]
async fn a_refused_plan_is_not_asked_again_and_a_draft_is() {
    let site = Site::new().await;
    site.video("1.mp4");
    site.video("2.mp4");
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    let (one, two) = (
        analyzed(&site.analyze("run", 0, &scenes[..1]).await).plan_id,
        analyzed(&site.analyze("run", 1, &scenes[1..]).await).plan_id,
    );
    let open: UnanalyzedResult = result(&site.unanalyzed(json!({})).await);
    assert_eq!(open.total, 0, "their plans are open");

    let refuse = json!({"plan_id": one, "reason": "wrong film"});
    let refused: RefusedResult = result(&site.run(RefusePlan(site.media.clone()), refuse.clone()).await);
    assert!(refused.changes_refused > 0);
    assert_eq!(refused, result(&site.run(RefusePlan(site.media.clone()), refuse).await), "repeatable");
    let draft = json!({"run_id": "run", "reason": "cancelled"});
    let drafted: DraftedResult = result(&site.run(DraftPlans(site.media.clone()), draft.clone()).await);
    assert_eq!(drafted.plans_drafted, 1);
    let drafted: DraftedResult = result(&site.run(DraftPlans(site.media.clone()), draft).await);
    assert_eq!(drafted.plans_drafted, 0, "repeatable");

    let run = site.unanalyzed(json!({})).await;
    assert_eq!(run.items["scene_ids"], [json!(scenes[1])]);
    for (plan, words) in [(one, "refused (wrong film)"), (999, "no plan 999")] {
        let run = approve(&site, plan).await;
        let error = run.error().unwrap();
        assert!(!error.retryable && error.message.contains(words), "{error}");
    }
    assert_eq!(status(&site, two).await, "draft");
}

#[tokio::test]
async fn scenes_come_newest_first_and_no_more_than_were_asked_for() {
    let site = Site::new().await;
    for number in 0..5 {
        site.video(&format!("{number}.mp4"));
    }
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    let mut newest: Vec<i64> = scenes.clone();
    newest.sort_unstable_by(|a, b| b.cmp(a));
    for (params, count) in [(json!({}), 5), (json!({"limit": 3}), 3), (json!({"limit": 0}), 0)] {
        let run = site.unanalyzed(params).await;
        assert_eq!(result::<UnanalyzedResult>(&run).total, count as u64);
        let expected: Vec<Value> = newest[..count].iter().map(|id| json!(id)).collect();
        assert_eq!(run.items["scene_ids"], expected);
    }
}

#[tokio::test]
async fn a_scene_that_cannot_be_looked_at_is_one_error_and_none_at_all_a_failure() {
    let site = Site::new().await;
    site.video("1.mp4");
    let path = site.video("2.mp4");
    let scenes = site.scenes().await;
    std::fs::remove_file(path).unwrap();
    site.scan().await;
    let ids = [scenes["1.mp4"], scenes["2.mp4"], 999];
    let run = site.analyze("run", 0, &ids).await;
    let plan = analyzed(&run);
    assert_eq!((plan.scenes_analyzed, plan.errors.len()), (1, 2), "{run:?}");
    assert!(plan.errors.iter().all(|error| error.kind == FaultKind::Gone));
    let run = site.analyze("run", 1, &ids[1..]).await;
    let error = run.error().unwrap();
    assert!(
        !error.retryable && error.message.starts_with("none of 2 scenes could be analyzed; the first: "),
        "{error}"
    );
    let absent: Vec<i64> = (1_000..1_250).collect();
    let run = site.analyze("run", 2, &absent).await;
    let error = run.error().unwrap();
    assert!(error.message.starts_with("none of 250 scenes"), "more than are listed: {error}");
    assert_eq!(site.number("SELECT count(*) FROM media.plans").await, 1);
}

#[tokio::test]
async fn what_ffmpeg_says_last_is_the_cause() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    let broken = script(&site, "echo first >&2; echo 'the true cause' >&2; exit 3");
    let site = site.with_ffmpeg(&broken);
    let run = site.analyze("run", 0, &[scene]).await;
    let error = run.error().unwrap();
    assert!(error.message.contains("the true cause") && error.message.contains("exit status: 3"), "{error}");

    let site = site.with_ffmpeg("/nowhere/ffmpeg");
    let run = site.analyze("run", 0, &[scene]).await;
    assert!(run.error().unwrap().message.contains("DROVER_MEDIA_FFMPEG"), "{run:?}");
}
