//! Answers what a fold asks for, as the orchestrator's statements do.

use std::{collections::BTreeMap, sync::Arc};

use drover_protocol::JobId;
use serde_json::Value;

use super::store::Store;
use crate::{
    Command, Job, Tree,
    command::ItemsSource,
    expression::Template,
    fold::{BatchRow, Facts, Fold},
    view::{self, SubJobEnd},
};

/// More rounds than any test needs.
const ROUNDS: usize = 2_000;

impl Store {
    /// Answers until the fold rests. What it decided, except what it asked for.
    pub fn settle(&mut self, fold: &mut Fold<'_>) -> Vec<Command> {
        let mut effects = Vec::new();
        for _ in 0..ROUNDS {
            let plan = fold.plan();
            // A list that came with this very batch may be what a fan-out is cut from.
            self.keep_items(fold.effects(), &mut effects);
            if plan.is_empty() {
                return effects;
            }
            self.answer(fold, plan);
        }
        panic!("the fold does not come to rest: {:?}", fold.plan());
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

    /// One round, in the orchestrator's order: what is read first may be needed by the next.
    fn answer(&mut self, fold: &mut Fold<'_>, mut plan: Vec<Command>) {
        plan.sort_by_key(|command| match command {
            Command::Load { .. } => 0,
            Command::Assemble { .. } => 1,
            Command::Expand { .. } => 2,
            Command::Window { .. } => 3,
            _ => 4,
        });
        for command in plan {
            match command {
                Command::Load { workflow, jobs } => {
                    for job in jobs {
                        self.load_up(job, &mut fold.tree);
                    }
                    let params = self.params(&fold.tree, workflow);
                    fold.advance(workflow, &Facts { params, results: BTreeMap::new() });
                }
                Command::Advance { workflow, results } => {
                    let params = self.params(&fold.tree, workflow);
                    let result = |key: String| {
                        let result = Arc::new(self.step_result(&fold.tree, workflow, &key));
                        (key, result)
                    };
                    let results = results.into_iter().map(result).collect();
                    fold.advance(workflow, &Facts { params, results });
                }
                Command::Assemble { workflow, summary } => {
                    let result =
                        view::result(fold.tree.get(workflow).unwrap(), &summary, &self.ends(&fold.tree, workflow));
                    fold.assembled(workflow, result);
                }
                Command::Expand { workflow, step, source, batch_size, template } => {
                    let items = match source {
                        ItemsSource::Inline(items) => items,
                        ItemsSource::List { job_id, name, count } => {
                            let list = self.list(job_id, &name);
                            if list.len() as u64 != count {
                                fold.not_expanded(workflow, step, count, list.len() as u64);
                                continue;
                            }
                            list
                        }
                    };
                    let size = usize::try_from(batch_size).unwrap();
                    let batches: Vec<Value> = items.chunks(size).map(|items| Value::Array(items.to_vec())).collect();
                    let total = u32::try_from(batches.len()).unwrap();
                    self.fan_outs.insert((workflow, step), Arc::new((template.to_json(), batches)));
                    fold.expanded(workflow, step, total);
                }
                Command::Window { workflow, step, cursor, count, redo_from } => {
                    let rows = self.window(workflow, step, (cursor, count), redo_from);
                    for id in rows.iter().filter_map(|row| row.job_id) {
                        self.load_up(id, &mut fold.tree);
                    }
                    let template = Template::from_json(&self.fan_outs[&(workflow, step)].0).unwrap();
                    let exhausted = rows.len() < usize::try_from(count).unwrap();
                    fold.dispatch_batches(workflow, step, &rows, exhausted, &template);
                }
                effect => panic!("no request: {effect:?}"),
            }
        }
    }

    fn params(&self, tree: &Tree, id: JobId) -> Arc<Value> {
        let known = tree.get(id).and_then(|job| job.params.clone());
        Arc::new(known.unwrap_or_else(|| self.rows[&id].params.clone()))
    }

    /// The next batches from the cursor on: those without a sub-job, those whose sub-job did not complete, or all.
    fn window(&self, workflow: JobId, step: usize, (cursor, count): (u32, u32), redo_from: u32) -> Vec<BatchRow> {
        let completed = |id: &JobId| self.rows[id].job.progress == crate::Progress::FULL;
        let batches = (0..).zip(&self.fan_outs[&(workflow, step)].1);
        let rows = batches.map(|(index, items)| {
            let job_id = self.children.get(&(workflow, step, Some(index))).copied();
            BatchRow { index, items: items.clone(), job_id }
        });
        let is_due = |row: &BatchRow| row.index >= redo_from || !row.job_id.as_ref().is_some_and(completed);
        rows.filter(|row| row.index >= cursor && is_due(row)).take(usize::try_from(count).unwrap()).collect()
    }

    /// The sub-jobs of a workflow, as the fold has them by now, with their results.
    fn sub_jobs(&self, tree: &Tree, workflow: JobId) -> BTreeMap<(usize, Option<u32>), (Job, Option<Value>)> {
        let rows = self.children.range((workflow, 0, None)..=(workflow, usize::MAX, Some(u32::MAX)));
        let mut found: BTreeMap<_, _> = rows
            .map(|((_, step, batch), id)| ((*step, *batch), (self.rows[id].job.clone(), self.rows[id].result.clone())))
            .collect();
        for job in tree.jobs() {
            let Some(parent) = job.parent.filter(|parent| parent.id == workflow) else { continue };
            let place = (parent.step, parent.batch);
            let stored = found.get(&place).and_then(|(_, result)| result.clone());
            found.insert(place, (job.clone(), job.result.clone().or(stored)));
        }
        found
    }

    fn step_result(&self, tree: &Tree, workflow: JobId, key: &str) -> Value {
        let state = tree.get(workflow).unwrap().workflow.as_ref().unwrap();
        let index = (0..state.state.steps.len()).find(|index| state.step(*index).unwrap().key == key).unwrap();
        let total = state.state.steps[index].total.unwrap_or(0);
        let ends = self.sub_jobs(tree, workflow);
        if state.step(index).unwrap().for_each.is_none() {
            return ends.get(&(index, None)).and_then(|(_, result)| result.clone()).unwrap_or_default();
        }
        let results = ends.range((index, Some(0))..(index, Some(total)));
        Value::Array(results.map(|(_, (_, result))| result.clone().unwrap_or_default()).collect())
    }

    fn ends(&self, tree: &Tree, workflow: JobId) -> BTreeMap<(usize, Option<u32>), SubJobEnd> {
        let end = |(job, result): (Job, Option<Value>)| SubJobEnd {
            job_id: job.id,
            status: job.status,
            result,
            error: job.error,
            started_at: job.started_at,
            finished_at: job.finished_at,
        };
        self.sub_jobs(tree, workflow).into_iter().map(|(place, job)| (place, end(job))).collect()
    }
}
