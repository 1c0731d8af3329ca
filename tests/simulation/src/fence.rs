//! The fences, told once more beside the fold: what a superseded session says changes nothing (I6).

use drover_engine::{Fold, Ignored, Input, Job, Outcome, fold::simulation::store::Row};
use drover_protocol::{JobEvent, JobEventKind};

use crate::rules::Rule;

/// Folds one input, and compares what an event of a superseded dispatch or session left behind.
pub(crate) fn apply(fold: &mut Fold<'_>, input: Input, broken: Option<Rule>) -> Outcome {
    let Input::Event(event) = input else { return fold.apply(input) };
    let Some(before) = fold.tree.get(event.job_id).cloned() else { return fold.apply(Input::Event(event)) };
    let stale = superseded(&before, &event);
    let told = format!("{} of {} dispatch {}", event.kind.name(), event.worker_session, event.dispatch);
    let id = event.job_id;
    let outcome = fold.apply(Input::Event(disguised(event, &before, broken)));
    if let (Some(why), Some(after)) = (stale, fold.tree.get(id)) {
        assert!(same(&before, after), "I6: {told}, which is {why}, changed {before:?} to {after:?}");
    }
    outcome
}

/// Why an event must change nothing.
fn superseded(job: &Job, event: &JobEvent) -> Option<&'static str> {
    if job.is_terminal() {
        return Some("too late");
    }
    if event.dispatch != job.dispatch {
        return Some("of another dispatch");
    }
    (job.lease.is_some_and(|lease| lease != event.worker_session)).then_some("of another session")
}

fn same(before: &Job, after: &Job) -> bool {
    before.status == after.status
        && (before.attempt, before.dispatch, before.run) == (after.attempt, after.dispatch, after.run)
        && (before.failures, before.losses) == (after.failures, after.losses)
        && (before.progress, before.lease, before.due_at) == (after.progress, after.lease, after.due_at)
        && (&before.message, &before.error, &before.items) == (&after.message, &after.error, &after.items)
        && before.parked == after.parked
        && before.result == after.result
}

/// The event as a fold would see it that had no such fence.
fn disguised(event: JobEvent, job: &Job, broken: Option<Rule>) -> JobEvent {
    match broken {
        Some(Rule::DispatchIsFenced) => JobEvent { dispatch: job.dispatch, ..event },
        Some(Rule::SessionIsFenced) => JobEvent { worker_session: job.lease.unwrap_or(event.worker_session), ..event },
        _ => event,
    }
}

/// A lease goes from one session to another by a new dispatch only.
pub(crate) fn lease_moves_by_dispatch_only(before: Option<&Row>, after: &Row) {
    let Some(before) = before else { return };
    if let (Some(one), Some(other)) = (before.job.lease, after.job.lease)
        && before.job.dispatch == after.job.dispatch
    {
        assert_eq!(one, other, "I6: the lease of {} went to another session within a dispatch", after.job.id);
    }
}

/// An input and its outcome, for the trace.
pub(crate) fn tell(input: &Input, outcome: &Outcome) -> String {
    let what = match input {
        Input::Event(event) => {
            let more = match &event.kind {
                JobEventKind::Items { values, .. } => format!(" of {} values", values.len()),
                _ => String::new(),
            };
            let (kind, job) = (event.kind.name(), crate::short(event.job_id));
            format!("{kind}{more} of {job}/{} by {}", event.dispatch, crate::short_session(event.worker_session))
        }
        Input::LeaseLost { job_id, dispatch, session } => {
            format!("lease of {}/{dispatch} by {} is lost", crate::short(*job_id), crate::short_session(*session))
        }
        Input::Due { job_id } => format!("{} is due", crate::short(*job_id)),
        Input::TimedOut { job_id, .. } => format!("time of {} is up", crate::short(*job_id)),
        Input::Cancel { job_id, now } => format!("cancel of {} (now: {now})", crate::short(*job_id)),
        Input::Pause { job_id } => format!("pause of {}", crate::short(*job_id)),
        Input::Resume { job_id } => format!("resume of {}", crate::short(*job_id)),
        Input::NeverStarted { job_id, dispatch } => format!("{}/{dispatch} never started", crate::short(*job_id)),
        Input::Retry { job_id, .. } => format!("retry of {}", crate::short(*job_id)),
        Input::Republish { job_id, dispatch } => format!("{}/{dispatch} was lost", crate::short(*job_id)),
        Input::Answer { job_id, dispatch: _, answer } => {
            format!("answer to {}: {}", crate::short(*job_id), if answer.approved { "approved" } else { "refused" })
        }
        Input::Undeliverable { job_id, .. } => format!("{} is undeliverable", crate::short(*job_id)),
    };
    match outcome {
        Outcome::Applied => what,
        Outcome::Ignored(Ignored::UnknownJob) => format!("{what}: unknown"),
        Outcome::Ignored(why) => format!("{what}: ignored, {}", why.as_str()),
        Outcome::Illegal(refusal) => format!("{what}: refused, {refusal}"),
    }
}
