//! Doctored ledgers and rows: each must be noticed.

use drover_tests::ledger::{Deed, Ledger, Line};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Case, Found, Wrong};
use crate::{
    evidence::{Happened, Row, Tree},
    strike::{Kind, Struck},
};

const ROOT: Uuid = Uuid::from_u128(1);
const JOB: Uuid = Uuid::from_u128(2);
const SECOND: u64 = 1_000_000_000;

/// A workflow of one step, whose sub-job completed as its handler says.
struct Scene {
    tree: Tree,
    ledger: Ledger,
    struck: Vec<Struck>,
}

fn row(id: Uuid, status: &str) -> Row {
    Row {
        id,
        parent: None,
        step: None,
        batch: None,
        job_type: "work".into(),
        status: status.into(),
        dispatch: 1,
        progress: 10_000,
        error: None,
        result: Value::Null,
        workflow: None,
    }
}

fn happened(job: Uuid, seconds: u64, kind: &str, dispatch: u32) -> Happened {
    Happened { job, dispatch, kind: kind.into(), detail: Value::Null, at_ns: seconds * SECOND }
}

fn line(seconds: u64, deed: Deed, dispatch: u32, call: &str) -> Line {
    Line { at_ns: seconds * SECOND, deed, job: JOB, attempt: 1, dispatch, call: call.into() }
}

impl Scene {
    fn clean() -> Self {
        let step = json!({ "status": "completed", "job_id": JOB, "total": 1, "done": 1 });
        let state = json!({ "current": 1, "steps": [step] });
        let workflow = serde_json::from_value(state).expect("a state");
        let root = Row { workflow: Some(workflow), result: json!({ "status": "completed" }), ..row(ROOT, "completed") };
        let job = Row {
            parent: Some(ROOT),
            step: Some(0),
            result: json!({ "call": "worker-1/1/0" }),
            ..row(JOB, "completed")
        };
        let history = vec![
            happened(ROOT, 10, "created", 0),
            happened(JOB, 10, "dispatched", 1),
            happened(JOB, 13, "completed", 1),
            happened(ROOT, 13, "completed", 1),
        ];
        let mut scene = Self {
            tree: Tree { root: ROOT, key: None, rows: vec![root, job], history },
            ledger: Ledger::new(),
            struck: Vec::new(),
        };
        scene.call(11, 1, "worker-1/1/0", &[Deed::Begin, Deed::Effect, Deed::Completed]);
        scene
    }

    /// The same, but the sub-job was cancelled at second 13.
    fn cancelled(kind: &str) -> Self {
        let mut scene = Self::clean();
        scene.tree.rows.remove(0);
        scene.tree.rows[0] = Row { progress: 5_000, ..row(JOB, "cancelled") };
        scene.tree.history = vec![happened(JOB, 10, "dispatched", 1), happened(JOB, 13, kind, 1)];
        scene.ledger.clear();
        scene
    }

    /// A call whose deeds are a second apart.
    fn call(&mut self, seconds: u64, dispatch: u32, call: &str, deeds: &[Deed]) {
        let lines = self.ledger.entry(JOB).or_default();
        lines.extend((seconds..).zip(deeds).map(|(at, deed)| line(at, *deed, dispatch, call)));
        lines.sort_by_key(|line| line.at_ns);
    }

    fn strikes(&mut self, kind: Kind, who: Option<&str>, from: u64, until: u64) {
        let (what, who) = (format!("{kind:?}"), who.map(str::to_owned));
        self.struck.push(Struck { what, kind, who, from_ns: from * SECOND, until_ns: until * SECOND });
    }

    fn found(&self) -> Found {
        Case { tree: &self.tree, ledger: &self.ledger, struck: &self.struck }.judge()
    }

    fn wrong(&self) -> Vec<Wrong> {
        self.found().violations.iter().map(|violation| violation.wrong).collect()
    }
}

#[test]
fn an_honest_tree_is_clean() {
    assert_eq!(Scene::clean().found(), Found::default());
    assert_eq!(Scene::cancelled("cancelled").found(), Found::default());
}

#[test]
fn a_job_that_has_not_ended_is_stuck_and_the_leaf_is_named() {
    let mut scene = Scene::clean();
    scene.tree.rows.iter_mut().for_each(|row| row.status = "running".into());
    let found = scene.found();
    assert_eq!(found.violations.len(), 1, "{found:?}");
    assert_eq!((found.violations[0].wrong, found.violations[0].job), (Wrong::Stuck, JOB));
}

#[test]
fn a_workflow_that_ends_before_its_sub_job_is_untrue() {
    let mut scene = Scene::clean();
    scene.tree.rows[1].status = "running".into();
    assert!(scene.wrong().contains(&Wrong::Untrue));
}

#[test]
fn a_late_begin_and_a_late_effect_are_noticed() {
    for deeds in [&[Deed::Begin][..], &[Deed::Begin, Deed::Effect]] {
        let mut scene = Scene::cancelled("cancelled");
        scene.call(14, 1, "worker-2/1/0", deeds);
        assert_eq!(scene.wrong(), vec![Wrong::Late; deeds.len()]);
    }
    let mut scene = Scene::cancelled("cancelled");
    scene.call(12, 1, "worker-2/1/0", &[Deed::Begin, Deed::Told, Deed::Effect]);
    assert_eq!(scene.wrong(), [Wrong::Late], "it ran on after its end");
}

#[test]
fn what_was_written_off_or_lost_is_counted_apart() {
    let mut scene = Scene::cancelled("abandoned");
    scene.call(12, 1, "worker-2/1/0", &[Deed::Begin, Deed::Told, Deed::Effect]);
    let found = scene.found();
    assert_eq!((found.after_abandoned, found.violations.len()), (1, 0), "{found:?}");

    let mut scene = Scene::cancelled("cancelled");
    scene.tree.history[1].detail = json!({ "cause": "worker_lost" });
    scene.call(12, 1, "worker-2/1/0", &[Deed::Begin, Deed::Told, Deed::Effect]);
    let found = scene.found();
    assert_eq!((found.after_lost, found.violations.len()), (1, 0), "{found:?}");
    scene.call(15, 1, "worker-2/1/1", &[Deed::Begin]);
    assert_eq!(scene.wrong(), [Wrong::Late], "a lost worker begins nothing");
}

#[test]
fn a_copy_of_what_had_run_is_counted_apart_when_a_fault_explains_it() {
    let mut scene = Scene::cancelled("cancelled");
    scene.call(11, 1, "worker-1/1/0", &[Deed::Begin, Deed::Failed]);
    scene.call(14, 1, "worker-2/1/0", &[Deed::Begin, Deed::Effect]);
    assert_eq!(scene.wrong(), [Wrong::Late, Wrong::Late], "nothing made a copy of it");
    scene.strikes(Kind::Cut, Some("orchestrator-1"), 9, 10);
    let found = scene.found();
    assert_eq!((found.late_copies, found.violations.len()), (2, 0), "{found:?}");
    scene.ledger.values_mut().for_each(|lines| lines.retain(|line| line.worker() == "worker-2"));
    assert_eq!(scene.wrong(), [Wrong::Late, Wrong::Late], "it had not run anywhere");
}

#[test]
fn a_later_run_may_begin_after_the_cancel_of_an_earlier_one() {
    let mut scene = Scene::cancelled("cancelled");
    scene.tree.history.push(happened(JOB, 14, "retried", 1));
    scene.tree.history.push(happened(JOB, 18, "completed", 2));
    scene.tree.rows[0] = Row { dispatch: 2, result: json!({ "call": "worker-2/1/0" }), ..row(JOB, "completed") };
    scene.call(15, 2, "worker-2/1/0", &[Deed::Begin, Deed::Effect, Deed::Completed]);
    assert_eq!(scene.found(), Found::default());
    scene.call(16, 1, "worker-2/1/1", &[Deed::Begin]);
    assert_eq!(scene.wrong(), [Wrong::Late], "the old dispatch");
}

/// The sub-job was taken from one worker and done by another.
fn twice() -> Scene {
    let mut scene = Scene::clean();
    scene.tree.rows[1].dispatch = 2;
    scene.tree.rows[1].result = json!({ "call": "worker-2/1/0" });
    scene.tree.history.insert(2, happened(JOB, 12, "worker_lost", 1));
    scene.call(13, 2, "worker-2/1/0", &[Deed::Begin, Deed::Effect, Deed::Completed]);
    scene
}

#[test]
fn a_double_effect_counts_and_is_explained_by_a_fault_of_its_worker_alone() {
    let mut scene = twice();
    let found = scene.found();
    assert_eq!(found.double_effects, 1);
    assert_eq!(scene.wrong(), [Wrong::Double]);
    scene.strikes(Kind::Kill, Some("worker-3"), 11, 12);
    scene.strikes(Kind::Kill, Some("orchestrator-1"), 11, 12);
    scene.strikes(Kind::Stop, Some("worker-1"), 100, 103);
    assert_eq!(scene.wrong(), [Wrong::Double], "another one's fault, or another time");
    scene.strikes(Kind::Stop, Some("worker-1"), 11, 15);
    let found = scene.found();
    assert_eq!((found.double_effects, found.violations), (1, Vec::new()));
}

#[test]
fn a_copy_of_a_dispatch_that_had_failed_may_do_what_its_successor_does() {
    let mut scene = Scene::clean();
    scene.ledger.clear();
    scene.tree.rows[1].dispatch = 2;
    scene.tree.rows[1].result = json!({ "call": "worker-2/1/0" });
    scene.tree.history.insert(2, happened(JOB, 12, "retry_scheduled", 1));
    scene.call(11, 1, "worker-1/1/0", &[Deed::Begin, Deed::Failed]);
    scene.call(13, 2, "worker-2/1/0", &[Deed::Begin, Deed::Effect, Deed::Completed]);
    scene.call(13, 1, "worker-3/1/0", &[Deed::Begin, Deed::Effect, Deed::Completed]);
    assert_eq!(scene.wrong(), [Wrong::Double], "nothing made a copy of it");
    scene.strikes(Kind::Kill, Some("worker-1"), 11, 12);
    assert_eq!(scene.wrong(), [], "its acknowledgement was lost with it");
    // Given back by one who had not begun it.
    scene.tree.history[2] = happened(JOB, 12, "released", 1);
    scene.ledger.values_mut().for_each(|lines| lines.retain(|line| line.worker() != "worker-1"));
    assert_eq!(scene.wrong(), [Wrong::Double]);
    scene.strikes(Kind::ServerKill, None, 11, 12);
    assert_eq!(scene.wrong(), []);
}

#[test]
fn whoever_was_heard_first_and_died_explains_what_others_did_again() {
    let mut scene = twice();
    scene.strikes(Kind::Death, Some("worker-4"), 12, 12);
    assert_eq!(scene.wrong(), [Wrong::Double]);
    scene.call(11, 1, "worker-4/1/0", &[Deed::Begin]);
    assert_eq!(scene.wrong(), []);
}

#[test]
fn what_was_published_again_is_explained_by_a_broker_that_lost_it_up_to_a_minute_ago() {
    let mut scene = twice();
    scene.tree.history[2].kind = "republished".into();
    scene.tree.history.iter_mut().for_each(|happened| happened.at_ns += 200 * SECOND);
    scene.ledger.values_mut().flatten().for_each(|line| line.at_ns += 200 * SECOND);
    scene.strikes(Kind::Kill, Some("worker-1"), 211, 212);
    scene.strikes(Kind::EmptyBroker, None, 100, 101);
    assert_eq!(scene.wrong(), [Wrong::Double], "a worker's fault, or too long ago");
    scene.strikes(Kind::EmptyBroker, None, 150, 151);
    assert_eq!(scene.wrong(), []);
}

#[test]
fn one_dispatch_done_twice_is_explained_by_a_lost_confirm() {
    let mut scene = Scene::clean();
    scene.call(12, 1, "worker-2/1/0", &[Deed::Begin, Deed::Effect, Deed::Completed]);
    assert_eq!(scene.wrong(), [Wrong::Double]);
    scene.strikes(Kind::Cut, Some("orchestrator-2"), 9, 10);
    let found = scene.found();
    assert_eq!((found.double_effects, found.violations), (1, Vec::new()));
}

#[test]
fn a_message_that_lay_in_its_queue_twice_is_explained_by_when_it_was_published() {
    let mut scene = Scene::clean();
    scene.ledger.values_mut().flatten().for_each(|line| line.at_ns += 60 * SECOND);
    scene.call(72, 1, "worker-2/1/0", &[Deed::Begin, Deed::Effect, Deed::Completed]);
    assert_eq!(scene.wrong(), [Wrong::Double]);
    scene.strikes(Kind::ServerKill, None, 10, 11);
    assert_eq!(scene.wrong(), []);
}

#[test]
fn an_end_that_no_handler_came_to_is_untrue() {
    let mut scene = Scene::clean();
    scene.tree.rows[1].result = json!({ "call": "worker-1/1/9" });
    assert_eq!(scene.wrong(), [Wrong::Untrue]);
    let mut scene = Scene::clean();
    scene.ledger.clear();
    assert_eq!(scene.wrong(), [Wrong::Untrue]);
    let mut scene = Scene::clean();
    scene.tree.rows[1].dispatch = 2;
    assert_eq!(scene.wrong(), [Wrong::Untrue], "what an earlier dispatch did");
}

#[test]
fn counters_that_are_not_those_of_the_sub_jobs_are_untrue() {
    let mut scene = Scene::clean();
    let state = scene.tree.rows[0].workflow.as_mut().expect("a workflow");
    (state.steps[0].done, state.steps[0].failed) = (0, 1);
    assert_eq!(scene.wrong(), [Wrong::Untrue]);
    let mut scene = Scene::clean();
    scene.tree.rows[0].workflow.as_mut().expect("a workflow").steps[0].done = 2;
    assert_eq!(scene.wrong(), [Wrong::Untrue, Wrong::Untrue], "more than there are, too");
}

#[test]
fn two_ends_of_one_run_and_an_end_without_history_are_untrue() {
    let mut scene = Scene::clean();
    scene.tree.history.push(happened(JOB, 14, "failed", 1));
    assert!(scene.wrong().contains(&Wrong::Untrue));
    let mut scene = Scene::clean();
    scene.tree.history.retain(|happened| happened.job != JOB);
    assert_eq!(scene.wrong(), [Wrong::Untrue]);
}

#[test]
fn a_full_bar_of_what_did_not_complete_is_untrue() {
    let mut scene = Scene::clean();
    scene.tree.rows[0].progress = 9_999;
    assert_eq!(scene.wrong(), [Wrong::Untrue]);
}
