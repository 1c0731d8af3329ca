//! What workers say, in time and out of time, and what is said of them.

use drover_protocol::{JobEventKind, JobId, JobStatus as S, ProgressReport};
use serde_json::json;

use super::{
    play::{WORKER, broken, completed, failed, flaky, percent, session},
    world::World,
};
use crate::{Command, Ignored, Input, Outcome};

fn published() -> (World, JobId) {
    let mut world = World::with(&[]);
    let id = world.submit("work", json!({}));
    (world, id)
}

#[test]
fn an_older_dispatch_changes_nothing_and_its_worker_is_told_to_stop() {
    let (mut world, id) = published();
    world.start(id);
    let late = [JobEventKind::Started, JobEventKind::Progress(percent(90.0)), completed(json!({})), failed(broken())];
    let late: Vec<_> = late.into_iter().map(|kind| world.event(id, kind)).collect();
    assert_eq!(world.lose(id), Outcome::Applied);
    assert_eq!((world.job(id).attempt, world.job(id).dispatch, world.publications(id)), (2, 2, 2));
    for event in late {
        assert_eq!(world.apply(Input::Event(event)), Outcome::Ignored(Ignored::OtherDispatch));
    }
    assert_eq!(world.stops(), [(WORKER, 1), (WORKER, 1)], "one who reports an end has stopped");
    assert_eq!((world.status(id), world.bar(id)), (S::Pending, 0.0));
}

#[test]
fn only_the_session_with_the_lease_is_heard() {
    let (mut world, id) = published();
    world.start(id);
    for kind in [
        JobEventKind::Started,
        JobEventKind::Progress(percent(9.0)),
        completed(json!({})),
        JobEventKind::Released { progress: None },
    ] {
        let mut event = world.event(id, kind);
        event.worker_session = session(2);
        assert_eq!(world.apply(Input::Event(event)), Outcome::Ignored(Ignored::OtherSession));
    }
    assert_eq!(world.stops(), [(session(2), 1), (session(2), 1)]);
    assert_eq!(world.lose(id), Outcome::Applied);
    let mut event = world.event(id, JobEventKind::Started);
    event.worker_session = session(2);
    assert_eq!(world.apply(Input::Event(event)), Outcome::Applied, "a new dispatch moves the lease");
    assert_eq!(world.job(id).lease, Some(session(2)));
}

#[test]
fn what_comes_twice_or_late_is_named() {
    let (mut world, id) = published();
    let started = world.event(id, JobEventKind::Started);
    let old = world.event(id, JobEventKind::Progress(ProgressReport { message: Some("old".into()), ..percent(10.0) }));
    let new = world.event(id, JobEventKind::Progress(ProgressReport { message: Some("new".into()), ..percent(20.0) }));
    let end = world.event(id, completed(json!({})));
    let outcomes = [&started, &started, &new, &old, &new, &end, &end, &started]
        .map(|event| world.apply(Input::Event(event.clone())));
    let ignored = |why| Outcome::Ignored(why);
    assert_eq!(
        outcomes,
        [
            Outcome::Applied,
            ignored(Ignored::Repeat),
            Outcome::Applied,
            ignored(Ignored::Stale),
            ignored(Ignored::Stale),
            Outcome::Applied,
            ignored(Ignored::Finished),
            ignored(Ignored::Finished),
        ]
    );
    assert_eq!((world.message(id), world.status(id)), ("new".into(), S::Completed));
}

#[test]
fn an_end_is_an_end_even_before_its_start() {
    let (mut world, id) = published();
    let started = world.event(id, JobEventKind::Started);
    world.complete(id, json!({ "rows": 1 }));
    assert_eq!(world.apply(Input::Event(started)), Outcome::Ignored(Ignored::Finished));
    assert_eq!((world.status(id), world.result(id)), (S::Completed, json!({ "rows": 1 })));
}

#[test]
fn counts_make_percent_however_they_come() {
    let counts =
        |processed, total| JobEventKind::Progress(ProgressReport { processed, total, ..ProgressReport::default() });
    for reports in [
        [(Some(5), Some(20)), (Some(5), Some(20))],
        [(None, Some(20)), (Some(5), None)],
        [(Some(5), None), (None, Some(20))],
    ] {
        let (mut world, id) = published();
        for (processed, total) in reports {
            world.send(id, counts(processed, total));
        }
        let job = world.job(id);
        assert_eq!((world.bar(id), job.processed.value, job.total.value), (25.0, Some(5), Some(20)), "{reports:?}");
    }
    let (mut world, id) = published();
    world.report(id, counts(Some(5), Some(5)));
    assert_eq!(world.bar(id), 99.99, "100 is for the end");
}

#[test]
fn a_job_given_back_is_published_again_as_the_same_attempt() {
    let (mut world, id) = published();
    world.start(id);
    world.progress(id, 30.0);
    world.report(id, JobEventKind::Released { progress: None });
    let job = world.job(id);
    assert_eq!((job.status, job.attempt, job.dispatch, job.lease, job.failures), (S::Pending, 1, 2, None, 0));
    assert_eq!((world.publications(id), world.bar(id)), (2, 30.0));
    // What overtook its own reports says itself where they had brought the bar.
    let report = world.event(id, JobEventKind::Progress(percent(55.0)));
    world.report(id, JobEventKind::Released { progress: Some(percent(55.0)) });
    assert_eq!(world.apply(Input::Event(report)), Outcome::Ignored(Ignored::OtherDispatch));
    assert_eq!((world.publications(id), world.bar(id)), (3, 55.0));
}

#[test]
fn lost_workers_are_not_the_job_s_fault_until_it_takes_too_many_with_it() {
    let (mut world, id) = published();
    for attempt in 2..=3 {
        world.start(id);
        assert_eq!(world.lose(id), Outcome::Applied);
        let job = world.job(id);
        assert_eq!((job.status, job.attempt, job.failures), (S::Pending, attempt, 0));
        assert_eq!(job.error.unwrap().kind, "worker_lost");
    }
    world.start(id);
    world.lose(id);
    let job = world.job(id);
    let error = job.error.unwrap();
    assert_eq!((job.status, error.kind.as_str(), job.losses), (S::Failed, "poison", 3));
    assert!(error.message.contains(&format!("3 workers that were lost, the last one {WORKER}")), "{error}");
    world.retry(id);
    assert_eq!(world.job(id).losses, 0, "a user's retry gives it a new chance");
}

#[test]
fn a_lost_lease_of_another_time_or_worker_is_no_loss() {
    let (mut world, id) = published();
    let lost = |dispatch, session| Input::LeaseLost { job_id: id, dispatch, session };
    assert_eq!(world.apply(lost(1, WORKER)), Outcome::Ignored(Ignored::OtherSession), "nobody holds it");
    world.start(id);
    assert_eq!(world.apply(lost(1, session(3))), Outcome::Ignored(Ignored::OtherSession));
    assert_eq!(world.apply(lost(2, WORKER)), Outcome::Ignored(Ignored::OtherSession));
    world.complete(id, json!({}));
    assert_eq!(world.apply(lost(1, WORKER)), Outcome::Ignored(Ignored::Finished));
}

#[test]
fn a_queue_that_lost_its_messages_is_filled_again_with_what_nobody_began() {
    let (mut world, id) = published();
    assert_eq!(world.apply(Input::Republish { job_id: id, dispatch: 1 }), Outcome::Applied);
    assert_eq!(world.withdrawn(), [id], "the lost message may turn up after all");
    assert_eq!((world.job(id).dispatch, world.job(id).attempt), (2, 1));
    assert_eq!(world.apply(Input::Republish { job_id: id, dispatch: 1 }), Outcome::Ignored(Ignored::OtherDispatch));
    world.start(id);
    assert_eq!(world.apply(Input::Republish { job_id: id, dispatch: 2 }), Outcome::Ignored(Ignored::Repeat));
    assert_eq!((world.status(id), world.publications(id)), (S::Running, 2), "a running job is let run");
    world.complete(id, json!({}));
    assert_eq!(world.apply(Input::Republish { job_id: id, dispatch: 2 }), Outcome::Ignored(Ignored::Finished));
}

#[test]
fn a_message_that_cannot_be_delivered_after_all_was_delivered_is_no_failure() {
    let (mut world, id) = published();
    world.start(id);
    let undeliverable = Input::Undeliverable { job_id: id, dispatch: 1, error: broken() };
    assert_eq!(world.apply(undeliverable), Outcome::Ignored(Ignored::Repeat));
    assert_eq!(world.status(id), S::Running);
}

#[test]
fn nobody_but_the_orchestrator_speaks_for_a_workflow() {
    let mut world = World::with(&["{ name: w, steps: [{ key: a, job: work }] }"]);
    let id = world.submit("w", json!({}));
    for kind in
        [JobEventKind::Started, completed(json!({})), failed(flaky()), JobEventKind::Released { progress: None }]
    {
        assert_eq!(world.send(id, kind), Outcome::Ignored(Ignored::OtherSession));
    }
    assert_eq!(world.apply(Input::Republish { job_id: id, dispatch: 1 }), Outcome::Ignored(Ignored::OtherSession));
    world.cancel(id);
    assert_eq!(world.never_started(id), Outcome::Ignored(Ignored::OtherSession));
    assert_eq!((world.status(id), world.publications(id)), (S::Cancelling, 0));
}

#[test]
fn timers_of_an_earlier_state_mean_nothing() {
    let mut world = World::with(&[]);
    let id = world.submit_with(
        "work",
        json!({}),
        crate::job::Policy { timeout_ms: Some(10_000), ..Default::default() },
        None,
    );
    world.start(id);
    let timeout_at = world.job(id).timeout_at.unwrap();
    world.lose(id);
    let repeat = Outcome::Ignored(Ignored::Repeat);
    assert_eq!(world.apply(Input::TimedOut { job_id: id, timeout_at }), repeat);
    assert_eq!(world.apply(Input::Due { job_id: id }), repeat);
    world.start(id);
    world.complete(id, json!({}));
    assert_eq!(world.apply(Input::TimedOut { job_id: id, timeout_at }), repeat);
}

#[test]
fn unknown_jobs_and_stray_log_lines_are_let_go() {
    let (mut world, id) = published();
    let log = JobEventKind::Log {
        level: drover_protocol::LogLevel::Info,
        message: "hello".into(),
        fields: Default::default(),
    };
    assert_eq!(world.send(id, log), Outcome::Ignored(Ignored::Stale));
    let mut event = world.event(id, JobEventKind::Started);
    event.job_id = JobId(uuid::Uuid::nil());
    assert_eq!(world.apply(Input::Event(event)), Outcome::Ignored(Ignored::UnknownJob));
}

#[test]
fn everything_that_changed_state_is_in_the_history() {
    let (mut world, id) = published();
    world.start(id);
    world.fail(id, flaky());
    world.retry(id);
    world.complete(id, json!({}));
    let record = |effect: &Command| match effect {
        Command::Record(record) => Some((record.kind, record.attempt, record.dispatch)),
        _ => None,
    };
    let kinds: Vec<_> = world.effects.iter().filter_map(record).collect();
    let expected = [
        ("created", 1, 0),
        ("dispatched", 1, 1),
        ("started", 1, 1),
        ("failed", 1, 1),
        ("retried", 2, 1),
        ("dispatched", 2, 2),
        ("completed", 2, 2),
    ];
    assert_eq!(kinds, expected);
}
