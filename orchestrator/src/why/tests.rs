//! Every reason that there is.

use drover_protocol::StepStatus;
use serde_json::json;

use super::*;

fn said(job: &Standing) -> String {
    why(job, true).expect("it has not ended")
}

/// A job that waits in its queue: two workers take its type, and all of their slots are in use.
fn queued() -> Standing {
    let takers = Takers { live: 2, slots: 8, busy: 8, ..Takers::default() };
    Standing { attempts: 3, is_published: true, takers, ..pending() }
}

/// One of which nothing is known yet.
fn pending() -> Standing {
    Standing {
        job_type: "analyze".into(),
        status: JobStatus::Pending,
        is_workflow: false,
        attempt: 1,
        attempts: 1,
        failures: 0,
        is_published: false,
        metadata: None,
        window: None,
        paused: None,
        error: None,
        parked: false,
        waiting_seconds: None,
        id: JobId(uuid::Uuid::nil()),
        due_seconds: None,
        timeout_seconds: None,
        owed: false,
        holder: None,
        paused_type: None,
        paused_type_reason: None,
        takers: Takers::default(),
        ahead: 0,
    }
}

/// A workflow in its second step.
fn workflow(total: u32, done: u32, running: u32) -> Standing {
    let step = |key: &str, status: StepStatus, total: u32, done: u32, running: u32| {
        json!({
            "key": key, "title": key, "status": status, "progress": 0.0, "weight": 1, "total": total, "done": done, "failed": 0,
            "running": running, "started_at": null, "finished_at": null,
        })
    };
    let metadata = json!({
        "current_step": 2, "total_steps": 2, "step_name": "analysis", "active_sub_job": null,
        "message": "Cancelling: waiting for 3 of 240 sub-jobs",
        "steps": [
            step("check", StepStatus::Completed, 1, 1, 0), step("analysis", StepStatus::Running, total, done, running),
        ],
    });
    Standing {
        status: JobStatus::Running,
        is_workflow: true,
        window: Some(4),
        metadata: Some(serde_json::from_value(metadata).expect("metadata")),
        ..pending()
    }
}

#[test]
fn an_ended_job_has_no_reason() {
    for status in JobStatus::ALL.iter().filter(|status| status.is_terminal()) {
        assert_eq!(why(&Standing { status: *status, ..pending() }, true), None);
    }
}

#[test]
fn a_queued_job_says_what_is_before_it() {
    let with = |ahead| said(&Standing { ahead, ..queued() });
    assert_eq!(with(0), "waiting: next in its queue, 8 of 8 slots of 2 workers in use");
    assert_eq!(with(1), "waiting: behind 1 job of its type, 8 of 8 slots of 2 workers in use");
    assert_eq!(with(12), "waiting: behind 12 jobs of its type, 8 of 8 slots of 2 workers in use");
    assert_eq!(with(1_000), "waiting: behind 1000 jobs or more of its type, 8 of 8 slots of 2 workers in use");
    let free = Standing { takers: Takers { busy: 3, ..queued().takers }, ..queued() };
    assert_eq!(said(&free), "waiting: next in its queue, a worker takes it now");
}

#[test]
fn a_job_that_nobody_takes_says_so() {
    let nobody = Standing { takers: Takers::default(), ..queued() };
    assert_eq!(said(&nobody), "waiting: no live worker takes type analyze");
    let leaving = Standing { takers: Takers { live: 2, draining: 2, ..Takers::default() }, ..queued() };
    assert_eq!(said(&leaving), "waiting: every worker that takes type analyze is about to end");
    let owed = Standing { owed: true, ..queued() };
    assert_eq!(said(&owed), "waiting: its message is on its way to RabbitMQ");
    assert_eq!(why(&owed, false).as_deref(), Some("waiting: RabbitMQ cannot be reached"));
}

#[test]
fn a_pause_names_what_is_paused() {
    let paused = |reason| Standing { paused: Some(reason), ..queued() };
    assert_eq!(said(&paused(PauseReason::Asked)), "paused: nothing of it begins until it is resumed");
    assert_eq!(said(&paused(PauseReason::Parent)), "paused with its workflow: resume that one");
    let settling = "resumed: it begins when every worker has let go of the message that the pause withdrew";
    assert_eq!(said(&paused(PauseReason::Settling)), settling);
    let mut job = Standing { paused_type: Some("analyze".into()), ..queued() };
    assert_eq!(said(&job), "waiting: job type analyze is paused");
    job.paused_type_reason = Some("the disk is full".into());
    assert_eq!(said(&job), "waiting: job type analyze is paused (the disk is full)");
    job.paused_type = Some("*".into());
    assert_eq!(said(&job), "waiting: every job type is paused (the disk is full)");
    let workflow = |running| Standing { paused: Some(PauseReason::Asked), ..workflow(240, 0, running) };
    assert_eq!(said(&workflow(0)), "paused: nothing of it begins until it is resumed");
    assert_eq!(said(&workflow(3)), "paused: 3 of its sub-jobs still run to their end, nothing else begins");
}

#[test]
fn a_retry_says_when_and_after_what() {
    let error = Some("connection refused\nat line 7".into());
    let job = Standing { failures: 2, attempt: 3, due_seconds: Some(13.2), error, ..queued() };
    assert_eq!(said(&job), "retry 2 of 2 in 14 s after: connection refused…");
    assert_eq!(said(&Standing { due_seconds: Some(-1.0), ..job }), "retry 2 of 2 now after: connection refused…");
}

#[test]
fn a_job_for_later_says_when() {
    let later = |seconds| said(&Standing { due_seconds: Some(seconds), ..pending() });
    assert_eq!(later(7_500.0), "waiting: not before 2 h 5 min from now");
    assert_eq!(later(-0.5), "waiting: its time has come, it is dispatched now");
    assert_eq!(later(300_000.0), "waiting: not before 3 d from now");
    assert_eq!(later(180.0), "waiting: not before 3 min from now");
}

#[test]
fn a_running_job_names_its_worker_and_its_silence() {
    let on = |silent_seconds| Standing {
        status: JobStatus::Running,
        holder: Some(Holder { host: "node-7".into(), silent_seconds }),
        ..queued()
    };
    assert_eq!(said(&on(1.0)), "running on node-7");
    assert_eq!(said(&on(11.5)), "running on node-7, which has been silent for 12 s");
    let again = Standing { failures: 1, attempt: 2, error: Some("no space".into()), ..on(1.0) };
    assert_eq!(said(&again), "running on node-7, attempt 2 after: no space");
    assert_eq!(said(&Standing { parked: true, ..on(1.0) }), "ended: waiting for the rest of its lists");
    let lost = Standing { holder: None, ..on(0.0) };
    assert_eq!(said(&lost), "running: its worker is not known any more, it is tried again");
}

#[test]
fn a_workflow_says_what_its_step_waits_for() {
    assert_eq!(said(&workflow(240, 0, 4)), "running: window of step analysis full, 4 of 4 running, 236 wait for it");
    assert_eq!(said(&workflow(240, 237, 3)), "running: step analysis, 3 of 240 batches running, 0 waiting");
    let single = |running| said(&Standing { window: None, ..workflow(1, 0, running) });
    assert_eq!(single(1), "running: its step analysis runs");
    assert_eq!(single(0), "running: its step analysis waits for a worker");
    assert_eq!(said(&Standing { is_workflow: true, ..pending() }), "waiting: its first step is about to begin");
}

#[test]
fn a_cancel_says_what_it_waits_for_and_how_long() {
    let job = Standing { status: JobStatus::Cancelling, timeout_seconds: Some(90.0), ..queued() };
    let held = Standing { holder: Some(Holder { host: "node-7".into(), silent_seconds: 0.0 }), ..job.clone() };
    assert_eq!(said(&held), "cancelling: waiting for the worker on node-7 to stop it, for 90 s at most");
    let told = Standing { takers: Takers { unacknowledged: 2, ..job.takers }, ..job.clone() };
    assert_eq!(
        said(&told),
        "cancelling: waiting until 2 workers acknowledge that they will not start it, for 90 s at most"
    );
    assert_eq!(said(&job), "cancelling: what its workers sent before is read to the end, for 90 s at most");
    let workflow = Standing { status: JobStatus::Cancelling, timeout_seconds: Some(300.0), ..workflow(240, 0, 3) };
    assert_eq!(said(&workflow), "cancelling: waiting for 3 of 240 sub-jobs, for 5 min at most");
}

#[test]
fn what_waits_for_an_answer_says_since_when_and_how_to_give_it() {
    let id = JobId(uuid::Uuid::from_u128(7));
    let mut job = Standing { id, status: JobStatus::Running, waiting_seconds: Some(7_500.0), ..pending() };
    assert_eq!(said(&job), format!("waiting for approval since 2 h 5 min: drover approve {id}"));
    job.timeout_seconds = Some(100.0);
    assert_eq!(said(&job), format!("waiting for approval since 2 h 5 min, for 100 s at most: drover approve {id}"));
    job.paused = Some(PauseReason::Parent);
    assert_eq!(said(&job), "paused with its workflow: resume that one");
    let above = Standing { id, waiting_seconds: Some(12.0), ..workflow(1, 0, 1) };
    assert_eq!(said(&above), format!("step analysis is waiting for approval since 12 s: drover approve {id}"));
}

#[test]
fn a_workflow_that_goes_on_in_another_fold_waits_for_no_worker() {
    let job = Standing { due_seconds: Some(-0.1), ..workflow(1_000, 200, 0) };
    assert_eq!(said(&job), "running: much of it ended at once, it goes on in a moment");
}
