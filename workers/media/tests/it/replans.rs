//! A batch that is analyzed again, and plans that were put aside.

use drover_media_worker::jobs::{
    AppliedResult, DraftPlans, DraftedResult, PlanTotals, RefusePlan, RefusedResult, TotalsResult,
};
use drover_worker::testing::TestRun;
use serde_json::{Value, json};

use crate::{
    plans::{analyzed, apply, approve, status},
    support::{Site, result, video},
};

async fn draft(site: &Site, run: &str) {
    let params = json!({"run_id": run, "reason": "cancelled"});
    let drafted: DraftedResult = result(&site.run(DraftPlans(site.media.clone()), params).await);
    assert_eq!(drafted.plans_drafted, 1);
}

async fn refuse(site: &Site, plan: i64) -> TestRun {
    site.run(RefusePlan(site.media.clone()), json!({"plan_id": plan, "reason": "too dark"})).await
}

/// Approves and applies a plan: how many changes were written.
async fn decide(site: &Site, plan: i64) -> u64 {
    let approved = approve(site, plan).await;
    assert!(approved.is_completed(), "{approved:?}");
    let run = apply(site, plan).await;
    assert!(run.is_completed(), "{run:?}");
    result::<AppliedResult>(&run).changes_applied
}

/// The plan and batches of a run: how many scenes they analyzed.
async fn totals(site: &Site, run: &str) -> (TotalsResult, Vec<Value>) {
    let run = site.run(PlanTotals(site.media.clone()), json!({"run_id": run})).await;
    let scenes = run.items["batches"].iter().map(|batch| batch["scenes_analyzed"].clone()).collect();
    (result(&run), scenes)
}

async fn scenes_of(site: &Site, plan: i64) -> Vec<i64> {
    let sql = format!("SELECT scene_id FROM media.plan_scenes WHERE plan_id = {plan} ORDER BY scene_id");
    site.query(&sql).await.iter().map(|row| row.get(0)).collect()
}

/// A run that begins from its start has the same id, and cuts the scenes that are left into batches from 0 on.
#[tokio::test]
async fn a_batch_that_is_about_other_scenes_gets_a_plan_of_its_own() {
    let site = Site::new().await;
    site.video("1.mp4");
    site.video("2.mp4");
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    let first = analyzed(&site.analyze("run", 0, &scenes[..1]).await);
    decide(&site, first.plan_id).await;
    assert_eq!(analyzed(&site.analyze("run", 0, &scenes[..1]).await), first, "nothing is left to do about it");

    let second = analyzed(&site.analyze("run", 0, &scenes[1..]).await);
    assert_ne!(first.plan_id, second.plan_id);
    assert_eq!((second.scenes_analyzed, scenes_of(&site, second.plan_id).await), (1, scenes[1..].to_vec()));
    assert_eq!(analyzed(&site.analyze("run", 0, &scenes[1..]).await), second, "it is the batch's plan now");
    assert_eq!(decide(&site, second.plan_id).await, second.changes_proposed);
    assert_eq!(site.unanalyzed(json!({})).await.items["scene_ids"], Vec::<Value>::new());

    assert_eq!(status(&site, first.plan_id).await, "applied", "what it wrote stays");
    let (sums, batches) = totals(&site, "run").await;
    assert_eq!((sums.plans, sums.scenes_analyzed), (2, 2));
    assert_eq!(sums.changes_applied, first.changes_proposed + second.changes_proposed);
    assert_eq!(batches, [json!(2)], "one batch, and all that was done of it");
}

/// An apply that failed leaves its plan open, and the run that begins from its start never comes back to it.
#[tokio::test]
async fn an_open_plan_that_loses_its_batch_frees_its_scenes() {
    let site = Site::new().await;
    site.video("1.mp4");
    site.video("2.mp4");
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    let first = analyzed(&site.analyze("run", 0, &scenes[..1]).await).plan_id;
    approve(&site, first).await;
    let second = analyzed(&site.analyze("run", 0, &scenes[1..]).await).plan_id;
    assert_eq!((status(&site, first).await.as_str(), status(&site, second).await.as_str()), ("draft", "pending"));
    assert_eq!(site.unanalyzed(json!({})).await.items["scene_ids"], [json!(scenes[0])]);
}

#[tokio::test]
async fn a_batch_whose_scenes_were_changed_since_is_analyzed_again() {
    let site = Site::new().await;
    let path = site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    let first = analyzed(&site.analyze("run", 0, &[scene]).await).plan_id;
    decide(&site, first).await;
    video(&path, &["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1", "-f", "mp4"]);
    site.scenes().await;
    let second = analyzed(&site.analyze("run", 0, &[scene]).await);
    assert_ne!(first, second.plan_id);
    assert_eq!(second.scenes_analyzed, 1);
}

#[tokio::test]
async fn a_batch_that_is_retried_looks_at_what_had_failed() {
    let site = Site::new().await;
    site.video("1.mp4");
    let path = site.video("2.mp4");
    let scenes = site.scenes().await;
    let ids = [scenes["1.mp4"], scenes["2.mp4"]];
    std::fs::remove_file(path).unwrap();
    site.scan().await;
    let first = analyzed(&site.analyze("run", 0, &ids).await);
    assert_eq!((first.scenes_analyzed, first.errors.len()), (1, 1));
    assert_eq!(analyzed(&site.analyze("run", 0, &ids).await), first, "it waits for a decision");
    decide(&site, first.plan_id).await;
    assert_eq!(analyzed(&site.analyze("run", 0, &ids).await), first, "the file is still gone");

    site.video("2.mp4");
    site.scenes().await;
    let second = analyzed(&site.analyze("run", 0, &ids).await);
    assert_eq!((scenes_of(&site, second.plan_id).await, second.errors.len()), (vec![ids[1]], 0));
    let run = site.run(PlanTotals(site.media.clone()), json!({"run_id": "run"})).await;
    let batch = &run.items["batches"][0];
    assert_eq!((&batch["scenes_analyzed"], &batch["errors"]), (&json!(2), &json!(0)), "{batch}");
}

#[tokio::test]
async fn a_draft_is_analyzed_anew() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    let aside = analyzed(&site.analyze("run", 0, &[scene]).await).plan_id;
    draft(&site, "run").await;
    let scenes = [scene];
    let (a, b) = tokio::join!(site.analyze("run", 0, &scenes), site.analyze("run", 0, &scenes));
    let plan = analyzed(&a);
    assert_eq!(plan, analyzed(&b), "of two that do so at once one makes the plan");
    assert_ne!(plan.plan_id, aside);
    assert_eq!(scenes_of(&site, plan.plan_id).await, [scene]);
    assert_eq!(decide(&site, plan.plan_id).await, plan.changes_proposed);
    let (sums, batches) = totals(&site, "run").await;
    assert_eq!((sums.plans, sums.scenes_analyzed, batches), (1, 1, vec![json!(1)]), "a draft does not count");
}

/// A run that was cancelled and is retried goes on behind its analysis, with the plan that the clean-up had put aside.
#[tokio::test]
async fn a_draft_that_is_decided_on_after_all_is_taken_up_again() {
    let site = Site::new().await;
    for name in ["1.mp4", "2.mp4", "3.mp4"] {
        site.video(name);
    }
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();

    let plan = analyzed(&site.analyze("before its approval", 0, &scenes[..1]).await);
    draft(&site, "before its approval").await;
    let early = apply(&site, plan.plan_id).await;
    assert!(early.error().unwrap().message.contains("approve it first"), "{early:?}");
    assert_eq!(status(&site, plan.plan_id).await, "draft", "nobody approved it");
    for _ in 0..2 {
        assert_eq!(decide(&site, plan.plan_id).await, plan.changes_proposed);
    }

    let plan = analyzed(&site.analyze("before its apply", 0, &scenes[1..2]).await);
    approve(&site, plan.plan_id).await;
    draft(&site, "before its apply").await;
    let late = refuse(&site, plan.plan_id).await;
    assert!(late.error().unwrap().message.contains("is approved"), "{late:?}");
    let applied: AppliedResult = result(&apply(&site, plan.plan_id).await);
    assert_eq!(applied.changes_applied, plan.changes_proposed);

    let plan = analyzed(&site.analyze("before its refusal", 0, &scenes[2..]).await);
    draft(&site, "before its refusal").await;
    let refused: RefusedResult = result(&refuse(&site, plan.plan_id).await);
    assert_eq!(refused.changes_refused, plan.changes_proposed);
    assert_eq!(site.unanalyzed(json!({})).await.items["scene_ids"], Vec::<Value>::new());
    let open = "SELECT count(*) FROM media.plan_scenes WHERE open";
    assert_eq!(site.number(open).await, 0);
}

#[tokio::test]
async fn a_draft_leaves_to_other_plans_what_they_took_over() {
    let site = Site::new().await;
    for name in ["1.mp4", "2.mp4", "3.mp4"] {
        site.video(name);
    }
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    let aside = analyzed(&site.analyze("run", 0, &scenes).await).plan_id;
    draft(&site, "run").await;
    // The next run analyzed one meanwhile, and waits with another for a person.
    let done = analyzed(&site.analyze("next", 0, &scenes[..1]).await).plan_id;
    decide(&site, done).await;
    let waiting = analyzed(&site.analyze("next", 1, &scenes[1..2]).await);

    let written = decide(&site, aside).await;
    assert_eq!(scenes_of(&site, aside).await, scenes[2..]);
    let of = |plan: i64| format!("SELECT count(*) FROM media.plan_changes WHERE plan_id = {plan}");
    assert_eq!(site.number(&of(aside)).await, i64::try_from(written).unwrap());
    let tags = format!("SELECT count(*) FROM media.tags WHERE scene_id = {} AND plan_id <> {done}", scenes[0]);
    assert_eq!(site.number(&tags).await, 0, "nothing is written twice");
    assert_eq!(totals(&site, "run").await.0.scenes_analyzed, 1);
    assert_eq!(decide(&site, waiting.plan_id).await, waiting.changes_proposed);
}
