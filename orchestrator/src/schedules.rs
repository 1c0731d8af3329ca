//! Schedules: submitting what is due, running one now, switching one on or off.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{DateTime, SecondsFormat, Utc};
use drover_engine::{
    definition::Definition,
    schedule::{LeftOut, Turn},
};
use drover_protocol::{JobType, Submission};
use drover_service::telemetry::SpanKind;
use serde_json::{Value, json};

use crate::{
    app::{ActionError, App, Idempotency, Submitted, check},
    store::{Accepted, Known, NewRoot, ScheduleStanding, Settled, Store, StoreError},
    traces::Submitting,
};

/// The label of a run that names its schedule.
pub const SCHEDULE_LABEL: &str = "schedule";
/// The label of a run that has its time.
pub const TIME_LABEL: &str = "scheduled_at";
/// How many of the next times are shown.
const SHOWN: usize = 5;

impl App {
    /// Submits what is due of a schedule. Whether anything was.
    ///
    /// # Errors
    /// When the database is away. Whatever else goes wrong is written down where the schedule is shown, and the schedule goes on
    /// with its next time.
    pub async fn fire_schedule(&self, name: &str) -> Result<bool, StoreError> {
        match self.try_to_fire(name).await {
            Ok(fired) => Ok(fired),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => {
                tracing::error!(%error, schedule = name, "a schedule failed");
                self.metrics.schedules.failed(name);
                self.store.fail_schedule(&self.context, name, &error.to_string()).await?;
                Ok(true)
            }
        }
    }

    async fn try_to_fire(&self, name: &str) -> Result<bool, StoreError> {
        let Some(due) = self.store.take_schedule(&self.context, name).await? else { return Ok(false) };
        let turn = due.turn.clone();
        let root = |at: &DateTime<Utc>| root(&due.definition, Some(*at), key_of(name, *at));
        let roots: Result<Vec<NewRoot>, ActionError> = turn.fire.iter().map(root).collect();
        let mut spans = Vec::new();
        let roots = roots.map(|mut roots| {
            let begin = |root| Submitting::begin(&self.context.traces, None, SpanKind::Internal, root);
            spans.extend(roots.iter_mut().map(begin));
            roots
        });
        let failure = roots.as_ref().err().map(ToString::to_string);
        let Settled { accepted, folded } =
            Store::settle_schedule(due, &self.context, roots.map_err(|error| error.to_string())).await?;
        self.committed(folded);
        if let Some(reason) = failure {
            tracing::error!(schedule = name, reason, "a schedule failed");
            self.metrics.schedules.failed(name);
            return Ok(true);
        }
        for (span, accepted) in spans.into_iter().zip(&accepted) {
            if let Accepted::New(id, _) = accepted {
                self.metrics.submitted.inc();
                self.metrics.schedules.fired(name);
                span.into_iter().for_each(|span| span.accepted(&self.context.traces));
                tracing::info!(schedule = name, job.id = %id, "a schedule fired");
            }
        }
        self.tell_left_out(name, &turn);
        Ok(true)
    }

    fn tell_left_out(&self, name: &str, turn: &Turn) {
        let schedules = &self.metrics.schedules;
        for (at, why) in &turn.left_out {
            tracing::info!(schedule = name, %at, ?why, "a time of a schedule has no run");
            match why {
                LeftOut::Missed => schedules.missed(name),
                LeftOut::Overlap | LeftOut::QueueFull => schedules.skipped(name),
            }
        }
    }

    /// Runs a schedule now, whether it is on or off and whatever runs. Its times stay as they are.
    ///
    /// # Errors
    /// When there is no such schedule, its parameters do not fit, the key was used for something else, or the database is away.
    pub async fn run_schedule(&self, name: &str, key: Option<Idempotency>) -> Result<Submitted, ActionError> {
        let unknown = || ActionError::UnknownSchedule(name.to_owned());
        let job_type = JobType::new(name).map_err(|_| unknown())?;
        let known = self.store.known_types(&self.context.registry, &BTreeSet::from([job_type])).await?;
        let Some(Known::Workflow(definition)) = known.get(name) else { return Err(unknown()) };
        if definition.schedule.is_none() {
            return Err(unknown());
        }
        let mut root = root(definition, None, key)?;
        let span = Submitting::begin(&self.context.traces, None, SpanKind::Internal, &mut root);
        let (accepted, folded) = self.store.run_schedule(&self.context, name, root).await?.ok_or_else(unknown)?;
        self.committed(folded);
        match accepted {
            Accepted::New(id, status) => {
                self.metrics.submitted.inc();
                span.into_iter().for_each(|span| span.accepted(&self.context.traces));
                Ok(Submitted { id, made: Some(status) })
            }
            Accepted::Duplicate(id) => Ok(Submitted { id, made: None }),
            Accepted::Conflict(id) => Err(ActionError::KeyConflict(id)),
        }
    }

    /// Turns a schedule on or off. Off holds against every later version of its definition.
    ///
    /// # Errors
    /// When there is no such schedule, or the database is away. Asking twice is no error.
    pub async fn switch_schedule(&self, name: &str, on: bool) -> Result<ScheduleStanding, ActionError> {
        if !self.store.switch_schedule(&self.context, name, on).await? {
            return Err(ActionError::UnknownSchedule(name.to_owned()));
        }
        self.schedule(name).await
    }

    /// Where a schedule stands.
    ///
    /// # Errors
    /// When there is no such schedule, or the database is away.
    pub async fn schedule(&self, name: &str) -> Result<ScheduleStanding, ActionError> {
        let found = self.store.view_schedules(&self.context, "", Some(name), 1).await?.pop();
        found.ok_or_else(|| ActionError::UnknownSchedule(name.to_owned()))
    }
}

/// What makes a second submission for the same time find the first.
fn key_of(name: &str, at: DateTime<Utc>) -> Option<Idempotency> {
    Some(Idempotency { scope: "schedule".into(), key: format!("schedule:{name}:{}", time(at)) })
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The run of a time; of none: one that a person asked for.
fn root(
    definition: &Arc<Definition>,
    at: Option<DateTime<Utc>>,
    key: Option<Idempotency>,
) -> Result<NewRoot, ActionError> {
    let (name, schedule) = (&definition.name, definition.schedule.as_ref());
    let params = schedule.map_or_else(|| json!({}), |schedule| schedule.input.clone());
    let mut labels = BTreeMap::from([(SCHEDULE_LABEL.to_owned(), name.to_string())]);
    labels.extend(at.map(|at| (TIME_LABEL.to_owned(), time(at))));
    let submission = Submission { job_type: name.clone(), params, labels, run_at: None, idempotency_key: None };
    let known = HashMap::from([(name.to_string(), Known::Workflow(Arc::clone(definition)))]);
    check(&known, submission, key)
}

impl ScheduleStanding {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.switched.map_or_else(|| self.definition.schedule.as_ref().is_some_and(|it| it.enabled), |(on, _)| on)
    }

    /// As the API shows it. `full`: with the next times.
    #[must_use]
    pub fn view(&self, full: bool) -> Value {
        let Some(schedule) = &self.definition.schedule else { return Value::Null };
        let mut view = json!({
            "name": self.name,
            "title": self.definition.title,
            "cron": schedule.cron,
            "description": schedule.words(),
            "time_zone": schedule.time_zone.name(),
            "overlap": schedule.overlap.as_str(),
            "catch_up": schedule.catch_up.as_str(),
            "input": schedule.input,
            "enabled": self.is_on(),
            "switched_at": self.switched.map(|(_, at)| at),
            "next_at": self.next_at,
            "queued": self.queued,
            "last_at": self.last.as_ref().map(|last| last.at),
            "last_outcome": self.last.as_ref().map(|last| &last.outcome),
            "last_reason": self.last.as_ref().and_then(|last| last.reason.as_ref()),
            "last_job": self.last_job.map(|(id, status)| json!({ "id": id, "status": status })),
        });
        if full {
            view["next"] = self.next().into_iter().map(Value::from).collect();
        }
        view
    }

    /// The next times, by the clock of the schedule's zone.
    #[must_use]
    pub fn next(&self) -> Vec<String> {
        let Some(schedule) = &self.definition.schedule else { return Vec::new() };
        let shown =
            |at: DateTime<Utc>| at.with_timezone(&schedule.time_zone).to_rfc3339_opts(SecondsFormat::Secs, true);
        schedule.upcoming(self.now, SHOWN).into_iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests;
