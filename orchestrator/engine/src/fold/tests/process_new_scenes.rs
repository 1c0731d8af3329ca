//! The media workflow as it is delivered.

use drover_protocol::{JobId, JobStatus as S};
use serde_json::{Value, json};

use super::world::World;

const DEFINITION: &str = include_str!("../../../../../workflows/process_new_scenes.yaml");

fn begun(params: Value) -> (World, JobId) {
    let mut world = World::with(&[DEFINITION]);
    let id = world.submit("process_new_scenes", params);
    (world, id)
}

/// Up to the analysis; nothing is new.
fn looked(world: &mut World, id: JobId) -> JobId {
    world.complete(world.sub_job(id, "downloads"), json!({ "synced_items": 0, "unscanned": 0 }));
    let sync = world.sub_job(id, "sync");
    world.complete(world.sub_job(sync, "pending"), json!({ "pending": 0 }));
    world.sub_job(id, "analysis")
}

fn finish(world: &mut World, id: JobId) {
    world.complete(world.sub_job(world.sub_job(id, "previews"), "pending"), json!({ "pending": 0, "scene_ids": [] }));
    world.complete(world.sub_job(world.sub_job(id, "final_sync"), "pending"), json!({ "pending": 0 }));
}

#[test]
fn a_run_that_finds_nothing_says_of_each_step_why() {
    let (mut world, id) = begun(json!({}));
    let analysis = looked(&mut world, id);
    assert_eq!((world.bar(id), world.message(id).as_str()), (35.0, "Analyze scenes: Step 1/3: Find scenes to analyze"));
    world.complete(world.sub_job(analysis, "unanalyzed"), json!({ "total": 0, "scene_ids": [] }));
    assert_eq!(world.bar(id), 70.0);
    finish(&mut world, id);
    assert_eq!(
        world.steps(id),
        [
            "downloads completed",
            "scan skipped",
            "sync skipped",
            "analysis skipped",
            "previews completed",
            "final_sync skipped",
            "complete completed"
        ]
    );
    assert_eq!((world.status(id), world.bar(id)), (S::Completed, 100.0));
    let result = world.result(id);
    let reason = |key: &str| result["steps"][key]["error"]["message"].clone();
    assert_eq!(
        [reason("sync"), reason("analysis"), reason("final_sync"), reason("complete")],
        [json!("Nothing to sync"), json!("No scenes to analyze"), json!("Nothing to sync"), Value::Null]
    );
    let summary = json!({
        "total_synced_items": 0, "total_scenes_analyzed": 0, "total_changes_approved": 0, "total_changes_applied": 0,
        "total_errors": 0,
    });
    assert_eq!(result["summary"], summary);
}

#[test]
fn the_bar_moves_inside_each_batch_of_the_analysis() {
    let (mut world, id) = begun(json!({ "batch_size": 3 }));
    let analysis = looked(&mut world, id);
    world.complete(world.sub_job(analysis, "unanalyzed"), json!({ "total": 7, "scene_ids": [9, 8, 7, 6, 5, 4, 3] }));
    assert_eq!((world.bar(analysis), world.bar(id)), (5.0, 36.75), "1 of 20 of the 35 from 35 on");
    let step = &world.metadata(analysis).steps[1];
    assert_eq!((step.total, step.running), (3, 2), "two at once");
    let batches = [0, 1].map(|batch| world.batch(analysis, "batches", batch));
    let looking = batches.map(|batch| world.sub_job(batch, "analysis"));
    assert_eq!(world.params(looking[0]), json!({ "scene_ids": [9, 8, 7], "run_id": id, "batch": 0 }));
    // The analysis is 8 of 12 of its batch; a batch is a third of 18 of 20.
    world.progress(looking[0], 50.0);
    assert_eq!((world.bar(batches[0]), world.bar(analysis), world.bar(id)), (33.33, 15.0, 40.25));
    world.progress(looking[1], 75.0);
    assert_eq!((world.bar(batches[1]), world.bar(analysis), world.bar(id)), (50.0, 30.0, 45.5));
    world.complete(looking[0], json!({ "plan_id": 1, "changes_proposed": 2 }));
    assert_eq!(
        world.steps(batches[0])[..4],
        ["analysis completed", "decision skipped", "refusal skipped", "approval running"]
    );
    assert_eq!(world.bar(batches[0]), 83.33, "8 and the two that are left out, of 12");
    let approval = world.sub_job(batches[0], "approval");
    let before = world.bar(id);
    world.complete(approval, json!({ "changes_approved": 2 }));
    assert!(world.bar(id) > before);
}
