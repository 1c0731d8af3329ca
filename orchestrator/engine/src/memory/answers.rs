//! Answers what a fold asks for, in the order in which the orchestrator does: what is answered first may be what the next
//! answer reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use drover_protocol::JobId;
use serde_json::Value;

use super::{Memory, MemoryError};
use crate::{
    Command, Job, Tree,
    command::ItemsSource,
    expression::Template,
    fold::{BatchRow, Facts, Fold, MAX_ROUNDS},
    view::{self, SubJobEnd},
};

/// A sub-job's step and batch.
type Position = (usize, Option<u32>);

/// The requests of one round, by kind.
#[derive(Default)]
struct Round {
    loads: Vec<JobId>,
    assembles: Vec<(JobId, Value)>,
    expansions: Vec<Expansion>,
    windows: Vec<Window>,
    advances: Vec<(JobId, BTreeSet<String>)>,
}

struct Expansion {
    workflow: JobId,
    step: usize,
    source: ItemsSource,
    batch_size: u32,
    template: Template,
}

#[derive(Clone, Copy)]
struct Window {
    workflow: JobId,
    step: usize,
    cursor: u32,
    count: u32,
    redo_from: u32,
}

impl Memory {
    /// Answers until the fold rests. What it decided, except what it asked for.
    ///
    /// # Errors
    /// When rows are missing that it asks for, or it does not come to rest.
    pub fn settle(&mut self, fold: &mut Fold<'_>) -> Result<Vec<Command>, MemoryError> {
        let mut effects = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let plan = fold.plan();
            // A list that came with this very batch may be what a fan-out is cut from.
            self.keep_items(fold.effects(), &mut effects);
            if plan.is_empty() {
                return Ok(effects);
            }
            self.answer(fold, Round::of(plan))?;
        }
        Err(MemoryError::Unrest(MAX_ROUNDS))
    }

    fn keep_items(&mut self, decided: Vec<Command>, effects: &mut Vec<Command>) {
        for effect in decided {
            match effect {
                Command::StoreItems { job_id, dispatch, seq, name, values } => {
                    self.items.entry((job_id, dispatch, seq)).or_insert((name, values));
                }
                other => effects.push(other),
            }
        }
    }

    fn answer(&mut self, fold: &mut Fold<'_>, round: Round) -> Result<(), MemoryError> {
        for id in round.loads {
            self.load_up(id, &mut fold.tree);
        }
        let assembled = round.assembles.into_iter().filter_map(|(id, summary)| {
            let result = view::result(fold.tree.get(id)?, &summary, &self.ends(&fold.tree, id));
            Some((id, result))
        });
        for (id, result) in assembled.collect::<Vec<_>>() {
            fold.assembled(id, result);
        }
        for expansion in round.expansions {
            self.expand(fold, expansion);
        }
        self.open_windows(fold, &round.windows)?;
        let mut facts = Vec::new();
        for (id, results) in round.advances {
            let params = self.params(&fold.tree, id)?;
            let result = |key: String| (key.clone(), Arc::new(self.step_result(&fold.tree, id, &key)));
            facts.push((id, Facts { params, results: results.into_iter().map(result).collect() }));
        }
        for (id, facts) in facts {
            fold.advance(id, &facts);
        }
        Ok(())
    }

    fn expand(&mut self, fold: &mut Fold<'_>, expansion: Expansion) {
        let Expansion { workflow, step, source, batch_size, template } = expansion;
        let items = match source {
            ItemsSource::Inline(items) => items,
            ItemsSource::List { job_id, name, count } => {
                let list = self.list(job_id, &name);
                let found = u64::try_from(list.len()).unwrap_or(u64::MAX);
                if found != count {
                    fold.not_expanded(workflow, step, count, found);
                    return;
                }
                list
            }
        };
        let size = usize::try_from(batch_size.max(1)).unwrap_or(usize::MAX);
        let batches: Vec<Value> = items.chunks(size).map(|items| Value::Array(items.to_vec())).collect();
        let total = u32::try_from(batches.len()).unwrap_or(u32::MAX);
        self.fan_outs.insert((workflow, step), Arc::new((template.to_json(), batches)));
        fold.expanded(workflow, step, total);
    }

    fn open_windows(&self, fold: &mut Fold<'_>, windows: &[Window]) -> Result<(), MemoryError> {
        let mut found = Vec::new();
        for window in windows {
            found.push((window, self.window(window)?));
        }
        for id in found.iter().flat_map(|(_, (rows, _))| rows.iter().filter_map(|row| row.job_id)) {
            self.load_up(id, &mut fold.tree);
        }
        for (window, (rows, template)) in found {
            let exhausted = rows.len() < usize::try_from(window.count).unwrap_or(usize::MAX);
            fold.dispatch_batches(window.workflow, window.step, &rows, exhausted, &template);
        }
        Ok(())
    }

    /// The next batches from the cursor on: those without a sub-job, those whose sub-job did not complete, or all.
    fn window(&self, window: &Window) -> Result<(Vec<BatchRow>, Template), MemoryError> {
        let Window { workflow, step, cursor, count, redo_from } = *window;
        let fan_out =
            self.fan_outs.get(&(workflow, step)).ok_or(MemoryError::missing("template of a fan-out", workflow))?;
        let template = Template::from_json(&fan_out.0)
            .map_err(|_| MemoryError::missing("valid template of a fan-out", workflow))?;
        let completed = |id: &JobId| self.rows.get(id).is_some_and(|row| row.job.progress == crate::Progress::FULL);
        let batches = (0..).zip(&fan_out.1).skip(usize::try_from(cursor).unwrap_or(usize::MAX));
        let rows = batches.map(|(index, items)| {
            let job_id = self.children.get(&(workflow, step, Some(index))).copied();
            BatchRow { index, items: items.clone(), job_id }
        });
        let is_due = |row: &BatchRow| row.index >= redo_from || !row.job_id.as_ref().is_some_and(completed);
        Ok((rows.filter(is_due).take(usize::try_from(count).unwrap_or(usize::MAX)).collect(), template))
    }

    fn params(&self, tree: &Tree, id: JobId) -> Result<Arc<Value>, MemoryError> {
        let known = tree.get(id).and_then(|job| job.params.clone());
        let known = known.or_else(|| self.rows.get(&id).map(|row| row.params.clone()));
        known.map(Arc::new).ok_or(MemoryError::missing("parameters", id))
    }

    /// The sub-jobs of a workflow, as the fold has them by now, with their results.
    fn sub_jobs<'a>(&'a self, tree: &'a Tree, workflow: JobId) -> BTreeMap<Position, (&'a Job, Option<&'a Value>)> {
        let rows = self.children.range((workflow, 0, None)..=(workflow, usize::MAX, Some(u32::MAX)));
        let row = |((_, step, batch), id): (&(JobId, usize, Option<u32>), &JobId)| {
            self.rows.get(id).map(|row| ((*step, *batch), (&row.job, row.result.as_ref())))
        };
        let mut found: BTreeMap<_, _> = rows.filter_map(row).collect();
        for job in tree.children(workflow) {
            let Some(parent) = job.parent else { continue };
            let stored = found.get(&(parent.step, parent.batch)).and_then(|(_, result)| *result);
            found.insert((parent.step, parent.batch), (job, job.result.as_ref().or(stored)));
        }
        found.retain(|(_, batch), _| view::is_listed(*batch));
        found
    }

    fn step_result(&self, tree: &Tree, workflow: JobId, key: &str) -> Value {
        let Some(workflow_state) = tree.get(workflow).and_then(|job| job.workflow.as_ref()) else { return Value::Null };
        let Some((index, step)) = workflow_state.find(key) else { return Value::Null };
        let sub_jobs = self.sub_jobs(tree, workflow);
        let results = sub_jobs.range((index, None)..=(index, Some(u32::MAX)));
        let results = results.map(|((_, batch), (_, result))| (*batch, result.cloned()));
        view::step_result(step, workflow_state.state.steps.get(index), results)
    }

    fn ends(&self, tree: &Tree, workflow: JobId) -> BTreeMap<Position, SubJobEnd> {
        let end = |(job, result): (&Job, Option<&Value>)| SubJobEnd {
            job_id: job.id,
            status: job.status,
            result: result.cloned(),
            error: job.error.clone(),
            started_at: job.started_at,
            finished_at: job.finished_at,
        };
        self.sub_jobs(tree, workflow).into_iter().map(|(position, job)| (position, end(job))).collect()
    }
}

impl Round {
    fn of(plan: Vec<Command>) -> Self {
        let mut round = Self::default();
        let mut waiting = Vec::new();
        for command in plan {
            match command {
                Command::Load { workflow, jobs } => {
                    round.loads.extend(jobs);
                    waiting.push((workflow, BTreeSet::new()));
                }
                Command::Advance { workflow, results } => round.advances.push((workflow, results)),
                Command::Assemble { workflow, summary } => round.assembles.push((workflow, summary)),
                Command::Expand { workflow, step, source, batch_size, template } => {
                    round.expansions.push(Expansion { workflow, step, source, batch_size, template });
                }
                Command::Window { workflow, step, cursor, count, redo_from } => {
                    round.windows.push(Window { workflow, step, cursor, count, redo_from });
                }
                // No requests: a plan has none of them.
                Command::Publish { .. }
                | Command::Tombstone(_)
                | Command::Withdraw(_)
                | Command::Stop { .. }
                | Command::StoreItems { .. }
                | Command::Record(_)
                | Command::Notify { .. } => {}
            }
        }
        round.advances.extend(waiting);
        round
    }
}
