//! The workflow that uses these jobs: it loads, and its expressions give parameters that the jobs take.

use std::{collections::BTreeMap, sync::Arc};

use drover_engine::{
    definition::{BatchSize, CatchUp, Definition, OnFailure, Overlap, Step, Work},
    expression::{BatchScope, Scope, StepScope, WorkflowScope},
};
use drover_media_worker::jobs::{
    Analysis, AnalysisParams, ApplyPlan, ApprovePlan, CleanupParams, DownloadsParams, DraftParams, DraftPlans,
    Generate, GenerateParams, GeneratePending, MediaCleanup, MediaScan, NoParams, PlanParams, PlanTotals,
    ProcessDownloads, RefuseParams, RefusePlan, ScanParams, Sync, SyncParams, SyncPending, TotalsParams,
    UnanalyzedParams, UnanalyzedScenes,
};
use drover_protocol::{JobError, JobId, StepStatus};
use drover_worker::Job;
use serde_json::{Value, json};

fn definition() -> Definition {
    let text = include_str!("../../../../workflows/process_new_scenes.yaml");
    Definition::parse("process_new_scenes.yaml", text).unwrap_or_else(|error| panic!("{error}"))
}

const RUN: &str = "0192f3c4-7b1e-7000-8000-000000000001";

fn scope(input: Value, steps: &[(&str, StepStatus, Value)], items: Option<Value>) -> Scope {
    let step = |status: StepStatus, result: &Value| StepScope {
        status,
        result: Arc::new(result.clone()),
        error: None,
        totals: json!({}),
    };
    let steps: BTreeMap<String, StepScope> =
        steps.iter().map(|(key, status, result)| ((*key).to_owned(), step(*status, result))).collect();
    let batch = items.map(|items| BatchScope { index: 3, count: 9, items });
    let id: JobId = RUN.parse().unwrap();
    Scope { input: Arc::new(input), steps, batch, repeat: None, workflow: WorkflowScope { id, attempt: 1 } }
}

fn nested<'d>(definition: &'d Definition, key: &str) -> &'d Definition {
    let step = definition.steps.iter().find(|step| step.key == key).unwrap();
    let Work::Steps(nested) = &step.work else { panic!("{key} has no steps") };
    nested
}

fn step<'d>(definition: &'d Definition, key: &str) -> &'d Step {
    definition.steps.iter().find(|step| step.key == key).unwrap()
}

fn jobs(definition: &Definition) -> Vec<(&str, &str)> {
    let job = |step: &'_ Step| match &step.work {
        Work::Job(job) => job.as_str().to_owned(),
        Work::Signal => "signal".to_owned(),
        _ => "steps".to_owned(),
    };
    let names = definition.steps.iter().map(|step| (step.key.as_str(), job(step)));
    names.map(|(key, job)| (key, &*Box::leak(job.into_boxed_str()))).collect()
}

#[test]
fn people_see_seven_steps_with_these_shares() {
    let definition = definition();
    let steps: Vec<(&str, u32)> = definition.steps.iter().map(|step| (step.title.as_str(), step.weight)).collect();
    assert_eq!(
        steps,
        [
            ("Process downloads", 10),
            ("Scan metadata", 10),
            ("Incremental sync", 15),
            ("Analyze scenes", 35),
            ("Generate previews", 10),
            ("Final sync", 15),
            ("Complete", 5)
        ]
    );
    assert!(definition.steps.iter().all(|step| step.on_failure == OnFailure::Continue), "what fails is recorded");
    let Work::Job(cleanup) = &definition.cleanup[0].work else { panic!("a job") };
    assert_eq!(cleanup.as_str(), DraftPlans::TYPE);
}

#[test]
fn its_steps_are_these_jobs() {
    let definition = definition();
    let outer = jobs(&definition);
    assert_eq!((outer[0].1, outer[1].1), (ProcessDownloads::TYPE, MediaScan::TYPE));
    for key in ["sync", "final_sync"] {
        assert_eq!(jobs(nested(&definition, key)), [("pending", SyncPending::TYPE), ("sync", Sync::TYPE)]);
    }
    let analysis = nested(&definition, "analysis");
    let expected = [("unanalyzed", UnanalyzedScenes::TYPE), ("batches", "steps"), ("totals", PlanTotals::TYPE)];
    assert_eq!(jobs(analysis), expected);
    let batch = [
        ("analysis", Analysis::TYPE),
        ("decision", "signal"),
        ("refusal", RefusePlan::TYPE),
        ("approval", ApprovePlan::TYPE),
        ("apply", ApplyPlan::TYPE),
    ];
    assert_eq!(jobs(nested(analysis, "batches")), batch);
    let previews = [("pending", GeneratePending::TYPE), ("scenes", Generate::TYPE)];
    assert_eq!(jobs(nested(&definition, "previews")), previews);
    assert_eq!(step(&definition, "complete").work, Work::Milestone);
}

#[test]
fn its_parameters_fit_the_jobs() {
    fn fits<P: serde::de::DeserializeOwned>(step: &Step, scope: &Scope) -> P {
        serde_json::from_value(step.params.eval(scope).unwrap()).unwrap()
    }
    let definition = definition();
    let input = definition.validate_input(json!({})).unwrap();
    let outer = scope(input, &[], None);
    let downloads: DownloadsParams = fits(step(&definition, "downloads"), &outer);
    assert!(!downloads.exclude_small_vids && (downloads.minimum_seconds - 30.0).abs() < 1e-9);
    let _: ScanParams = fits(step(&definition, "scan"), &outer);
    let sync = nested(&definition, "sync");
    let _: NoParams = fits(step(sync, "pending"), &outer);
    assert!(!fits::<SyncParams>(step(sync, "sync"), &outer).force);

    let within = scope(step(&definition, "analysis").params.eval(&outer).unwrap(), &[], None);
    let analysis = nested(&definition, "analysis");
    assert_eq!(fits::<UnanalyzedParams>(step(analysis, "unanalyzed"), &within).limit, None);
    assert_eq!(fits::<TotalsParams>(step(analysis, "totals"), &within).run_id, RUN);
    let batches = step(analysis, "batches");
    let BatchSize::Of(size) = &batches.for_each.as_ref().unwrap().batch_size else { panic!("an expression") };
    assert_eq!(size.eval(&within).unwrap(), 100);
    let of_batch = Scope { batch: scope(json!({}), &[], Some(json!([3, 2]))).batch, ..within };
    let input = batches.params.eval(&of_batch).unwrap();
    let done = [("analysis", StepStatus::Completed, json!({"plan_id": 5, "changes_proposed": 2}))];
    let in_batch = scope(input, &done, Some(json!([])));
    let chain = nested(analysis, "batches");
    let params: AnalysisParams = fits(step(chain, "analysis"), &in_batch);
    assert_eq!((params.scene_ids, params.run_id.as_str(), params.batch), (vec![3, 2], RUN, 3));
    assert_eq!(fits::<PlanParams>(step(chain, "approval"), &in_batch).plan_id, 5);
    let mut refused = in_batch.clone();
    let decision = StepScope {
        status: StepStatus::Failed,
        result: Arc::new(Value::Null),
        error: Some(JobError::permanent("refused", "refused by ops: too dark")),
        totals: json!({}),
    };
    refused.steps.insert("decision".into(), decision);
    let params: RefuseParams = fits(step(chain, "refusal"), &refused);
    assert_eq!((params.plan_id, params.reason.as_str()), (5, "refused by ops: too dark"));
    assert_eq!(fits::<PlanParams>(step(chain, "apply"), &in_batch).plan_id, 5);

    let previews = nested(&definition, "previews");
    let of_batch = scope(json!({}), &[], Some(json!([7])));
    assert_eq!(fits::<GenerateParams>(step(previews, "scenes"), &of_batch).scene_ids, [7]);
    assert_eq!(fits::<DraftParams>(&definition.cleanup[0], &outer).run_id, RUN);
}

#[test]
fn conditions_hold_when_there_is_something_to_do() {
    let definition = definition();
    let holds = |step: &Step, scope: &Scope| step.condition.as_ref().unwrap().eval_bool(scope).unwrap();
    let (good, bad) = (StepStatus::Completed, StepStatus::Failed);
    let after = |status, result| scope(json!({}), &[("downloads", status, result)], None);
    let scan = step(&definition, "scan");
    for (synced, unscanned, expected) in [(1, 1, true), (0, 0, false), (0, 2, true), (1, 0, true)] {
        let result = json!({"synced_items": synced, "unscanned": unscanned});
        assert_eq!(holds(scan, &after(good, result)), expected, "{synced} synced, {unscanned} unscanned");
    }
    assert!(holds(scan, &after(bad, json!({"synced_items": 0}))), "it failed before it counted");
    assert!(holds(scan, &after(bad, Value::Null)), "nobody knows that there is nothing new");

    for (around, key, count, reason) in [
        ("sync", "pending", "pending", "Nothing to sync"),
        ("final_sync", "pending", "pending", "Nothing to sync"),
        ("analysis", "unanalyzed", "total", "No scenes to analyze"),
    ] {
        let [finish] = &step(nested(&definition, around), key).finish_if[..] else { panic!("one way to end early") };
        assert!(finish.skip);
        for (number, expected) in [(0, true), (2, false)] {
            let scope = scope(json!({}), &[(key, good, json!({ count: number }))], None);
            assert_eq!(finish.when.eval_bool(&scope).unwrap(), expected, "{around}");
            assert_eq!(finish.message.eval_text(&scope).unwrap(), reason);
        }
    }
    let analysis = nested(&definition, "analysis");
    let chain = nested(analysis, "batches");
    let skipped = StepStatus::Skipped;
    for (approve, decision, approves, refuses) in [
        ("auto", skipped, true, false),
        ("manual", good, true, false),
        // Refused, or not answered in time.
        ("manual", bad, false, true),
    ] {
        let scope = scope(json!({"approve": approve}), &[("decision", decision, json!({}))], None);
        assert_eq!(holds(step(chain, "decision"), &scope), approve == "manual");
        assert_eq!(
            (holds(step(chain, "approval"), &scope), holds(step(chain, "refusal"), &scope)),
            (approves, refuses)
        );
    }
    for (approval, applies) in [(good, true), (skipped, false), (bad, false)] {
        let scope = scope(json!({}), &[("approval", approval, json!({}))], None);
        assert_eq!(holds(step(chain, "apply"), &scope), applies);
    }
}

#[test]
fn its_summary_has_these_numbers() {
    let definition = definition();
    let totals = json!({"result": {"scenes_analyzed": 7, "changes_approved": 40, "changes_applied": 39}});
    let good = StepStatus::Completed;
    for (status, totals, [analyzed, approved, applied]) in
        [(good, totals, [7, 40, 39]), (StepStatus::Skipped, json!({"result": null}), [0, 0, 0])]
    {
        let analysis = json!({"steps": {"totals": totals}});
        let steps = [("downloads", good, json!({"synced_items": 3})), ("analysis", status, analysis)];
        let scope = scope(json!({}), &steps, None);
        let summary: BTreeMap<&str, Value> =
            definition.summary.iter().map(|(key, template)| (key.as_str(), template.eval(&scope).unwrap())).collect();
        let expected = [
            ("total_synced_items", 3),
            ("total_scenes_analyzed", analyzed),
            ("total_changes_approved", approved),
            ("total_changes_applied", applied),
        ];
        assert_eq!(summary, expected.map(|(key, value)| (key, json!(value))).into());
    }
}

#[test]
fn the_library_is_tidied_at_night_where_somebody_wants_it() {
    let text = include_str!("../../../../workflows/media_cleanup.yaml");
    let definition = Definition::parse("media_cleanup.yaml", text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(jobs(&definition), [("media_cleanup", MediaCleanup::TYPE)]);
    assert_ne!(definition.name.as_str(), MediaCleanup::TYPE, "the job can be submitted by itself");
    let params = definition.steps[0].params.eval(&scope(json!({}), &[], None)).unwrap();
    let _: CleanupParams = serde_json::from_value(params).unwrap();
    let schedule = definition.schedule.unwrap();
    assert!(!schedule.enabled, "not everybody has media workers");
    assert_eq!((schedule.overlap, schedule.catch_up), (Overlap::Skip, CatchUp::Last));
}

#[test]
fn parameters_are_checked_before_anything_runs() {
    let definition = definition();
    for (input, pointer) in [
        (json!({"approve": "never"}), "/approve"),
        (json!({"batch_size": 0}), "/batch_size"),
        (json!({"minimum_seconds": -1}), "/minimum_seconds"),
        (json!({"path": "/x"}), "/path"),
    ] {
        let errors = definition.validate_input(input).unwrap_err();
        assert!(errors.iter().any(|error| error.pointer == pointer), "{errors:?}");
    }
}
