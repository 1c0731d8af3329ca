//! A rebuilt row beside the stored one.

use drover_protocol::JobStatus;
use serde_json::{Value, json};

use super::{Line, Replay, difference::same};
use crate::{Job, Parent, Record, memory::Row, view};

/// What a row has for readers only; made of the rest when it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// What a person calls it.
    pub title: Option<String>,
    /// The key of its step.
    pub step_key: Option<String>,
    /// Of a workflow.
    pub metadata: Option<Value>,
}

impl Replay {
    /// Compares a stored row with the rebuilt one.
    pub fn compare(&mut self, stored: &Row, shown: Option<&Shown>) {
        let id = stored.job.id;
        let Some(rebuilt) = self.memory.rows.get(&id).cloned() else {
            if self.concerns(&stored.job) {
                self.compared.insert(id);
                self.differences.push(id, "job", brief(&stored.job), Value::Null, &self.memory);
            }
            return;
        };
        if !self.differences.concern(id, &self.memory) {
            return;
        }
        self.compared.insert(id);
        self.unfinished += u64::from(!rebuilt.job.is_terminal());
        let (one, other) = (fields(stored), fields(&rebuilt));
        self.differences.between(id, "", &one, &other, &self.memory);
        if let Some(shown) = shown {
            let made = self.shown(&rebuilt.job);
            let telling = is_under_way(&rebuilt.job);
            self.differences.between(
                id,
                "",
                &shown_fields(shown, telling),
                &shown_fields(&made, telling),
                &self.memory,
            );
        }
    }

    /// Whether a job that was not rebuilt is one of those that are asked for.
    fn concerns(&self, job: &Job) -> bool {
        let parent = job.parent.map_or(job.id, |parent| parent.id);
        self.differences.concern(job.id, &self.memory) || self.differences.concern(parent, &self.memory)
    }

    fn shown(&self, job: &Job) -> Shown {
        let parent = |parent: Parent| self.memory.rows.get(&parent.id).map(|row| &row.job);
        let step = job.parent.and_then(|at| parent(at)?.workflow.as_ref()?.step(at.step));
        let metadata = view::metadata(job).and_then(|metadata| serde_json::to_value(metadata).ok());
        Shown { title: view::title(job, step), step_key: step.map(|step| step.key.clone()), metadata }
    }

    /// Compares the lines of a fold with what the same fold would keep now.
    pub(super) fn compare_lines(&mut self, lines: &[Line], records: &[Record]) {
        for index in 0..lines.len().max(records.len()) {
            let (line, record) = (lines.get(index), records.get(index));
            if let (Some(line), Some(record)) = (line, record)
                && is_same(line, record)
            {
                continue;
            }
            let id = line.map(|line| line.job_id).or(record.map(|record| record.job_id)).unwrap_or(self.root.id);
            // A line that is missing is told at the last one that is there.
            let number = line.or(lines.last()).map_or(0, |line| line.id);
            let (stored, rebuilt) = (line.map_or(Value::Null, line_fields), record.map_or(Value::Null, record_fields));
            self.differences.between(id, &format!("history.{number}"), &stored, &rebuilt, &self.memory);
        }
    }
}

fn is_same(line: &Line, record: &Record) -> bool {
    let same_detail = line.detail.len() == record.detail.len()
        && line.detail.iter().all(|(key, one)| record.detail.get(key).is_some_and(|other| same(one, other)));
    let same_place = (line.job_id, line.attempt, line.dispatch) == (record.job_id, record.attempt, record.dispatch);
    same_place
        && line.kind == record.kind
        && line.input.as_deref() == record.input
        && line.given == record.given
        && same_detail
}

fn line_fields(line: &Line) -> Value {
    let Line { id: _, at: _, job_id, attempt, dispatch, kind, detail, input, given, values: _ } = line;
    json!({
        "job_id": job_id, "attempt": attempt, "dispatch": dispatch, "kind": kind, "detail": detail, "input": input,
        "given": given,
    })
}

fn record_fields(record: &Record) -> Value {
    let Record { at: _, root_id: _, job_id, attempt, dispatch, kind, detail, input, given } = record;
    json!({
        "job_id": job_id, "attempt": attempt, "dispatch": dispatch, "kind": kind, "detail": detail, "input": input,
        "given": given,
    })
}

/// What tells which job it is.
pub(super) fn brief(job: &Job) -> Value {
    let parent = job.parent.map(|parent| json!({ "id": parent.id, "step": parent.step, "batch": parent.batch }));
    json!({ "type": job.job_type, "status": job.status, "parent": parent })
}

/// Whether a workflow's message tells what its sub-jobs reported last, in an order that nobody keeps.
fn is_under_way(job: &Job) -> bool {
    job.workflow.is_some() && matches!(job.status, JobStatus::Running | JobStatus::Cancelling)
}

fn shown_fields(shown: &Shown, telling: bool) -> Value {
    let Shown { title, step_key, metadata } = shown;
    let mut metadata = metadata.clone().unwrap_or_default();
    if let Some(fields) = metadata.as_object_mut().filter(|_| telling) {
        fields.remove("message");
    }
    json!({ "title": title, "step_key": step_key, "metadata": metadata })
}

/// Everything that must be equal. A new field of a job is either here, or left out with its reason.
fn fields(row: &Row) -> Value {
    let Row { job, params, result } = row;
    let Job {
        id: _,
        root_id,
        parent,
        job_type,
        status,
        attempt,
        dispatch,
        run,
        round,
        failures,
        losses,
        progress,
        // Their sequence numbers only order the reports of one lease among each other, and those are not kept.
        message,
        processed,
        total,
        policy,
        lease,
        due_at,
        timeout_at,
        cancel,
        paused,
        error,
        error_count,
        items,
        parked,
        created_at,
        started_at,
        finished_at,
        workflow,
        // They are columns that are read apart from the job.
        params: _,
        result: _,
    } = job;
    let definition = workflow.as_ref().map(|workflow| (&workflow.definition.hash, &workflow.definition.path));
    json!({
        "root_id": root_id,
        "parent": parent.map(|parent| (parent.id, parent.step, parent.batch)),
        "type": job_type,
        "definition": definition,
        "params": params,
        "policy": policy,
        "created_at": created_at,
        "status": status,
        "attempt": attempt,
        "dispatch": dispatch,
        "run": run,
        "round": round,
        "failures": failures,
        "losses": losses,
        "progress": progress.hundredths(),
        // That of a workflow under way tells what its sub-jobs reported last, in an order that nobody keeps.
        "message": message.value.as_ref().filter(|_| !is_under_way(job)),
        "processed": processed.value.map(column),
        "total": total.value.map(column),
        "lease": lease,
        "due_at": due_at,
        "timeout_at": timeout_at,
        "cancel": cancel,
        "paused": paused,
        "error": error,
        "error_count": column(*error_count),
        "result": result,
        "items": items,
        "parked": parked,
        "started_at": started_at,
        "finished_at": finished_at,
        "workflow": workflow.as_ref().map(|workflow| &workflow.state),
    })
}

/// A count as its column has it.
fn column(count: u64) -> u64 {
    count.min(i64::MAX.unsigned_abs())
}
