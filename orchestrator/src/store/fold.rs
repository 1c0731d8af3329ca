//! The fold, run against the database: one transaction for a batch of inputs, a handful of statements whatever its size.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::Utc;
use drover_engine::{
    Command, Entropy, Fold, Ignored, Input, Limits, Outcome, Tree,
    fold::{MAX_ROUNDS, NewJob},
    view,
};
use drover_protocol::{JobEventKind, JobId, JobStatus, WorkerSession};
use drover_service::telemetry::{EndedSpan, Traces};
use futures_util::try_join;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Claim, OutboxRow, Registry, Store, StoreError, Unit,
    load::{self, KnownParams, Locked, RootTraces, Window},
    passages::{self, Passage},
    rows::{signed, signed_long},
    statements as sql,
    write::{self, Expanded, Expansion, Last, Stamp},
};

/// What every fold of this process shares.
pub struct FoldContext {
    /// The definitions.
    pub registry: Registry,
    /// The limits.
    pub limits: Limits,
    /// Who publishes what is owed, and how long others leave it to it.
    pub claim: Claim,
    /// Which data of the broker is published to.
    pub epoch: tokio::sync::watch::Receiver<Option<String>>,
    /// Where spans go.
    pub traces: Traces,
}

/// What a committed fold leaves to do.
#[derive(Debug, Default)]
pub struct Folded {
    /// What it said to each input, in order.
    pub outcomes: Vec<Outcome>,
    /// What is owed to the broker.
    pub outbox: Vec<OutboxRow>,
    /// The trees that changed, for those who watch them.
    pub changed: Vec<JobId>,
    /// What began and what ended.
    pub passages: Vec<Passage>,
    /// The spans of the jobs that ended, where somebody looks at them.
    pub spans: Vec<EndedSpan>,
    /// How many jobs were taken from workers that are lost.
    pub leases_lost: u64,
}

/// Ids by time and randomness, jitter by randomness.
struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn job_id(&mut self) -> JobId {
        JobId(Uuid::now_v7())
    }

    fn jitter(&mut self) -> f64 {
        let bits = u32::try_from(Uuid::new_v4().as_u128() >> 96).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}

impl Store {
    /// Folds a batch of inputs in one transaction.
    ///
    /// # Errors
    /// When the database refuses or is away: nothing is changed, and the same batch may be tried again.
    pub async fn fold(&self, context: &FoldContext, inputs: Vec<Input>) -> Result<Folded, StoreError> {
        let tx = self.unit().await?;
        let ids: Vec<Uuid> = inputs.iter().map(|input| input.job_id().0).collect::<BTreeSet<_>>().into_iter().collect();
        let mut tree = Tree::default();
        let Locked { params, waiting, traces } = tx.first(load::lock(&tx, &context.registry, &ids, &mut tree)).await?;
        if inputs.iter().any(Input::needs_descendants) {
            let asking = inputs.iter().filter(|input| input.needs_descendants());
            let asked = asking.filter_map(|input| tree.get(input.job_id())).map(|job| job.root_id.0);
            let roots: Vec<Uuid> = asked.collect::<BTreeSet<_>>().into_iter().collect();
            load::unfinished(&tx, &context.registry, &roots, &mut tree).await?;
        }
        let is_report = |input: &&Input| matches!(input, Input::Event(_));
        let reported: HashSet<JobId> = inputs.iter().filter(is_report).map(Input::job_id).collect();
        let losses: Vec<bool> = inputs.iter().map(|input| matches!(input, Input::LeaseLost { .. })).collect();
        let inputs = without_known_items(&tx, inputs).await?;

        let (mut entropy, now) = (SystemEntropy, Utc::now());
        let mut fold = Fold::new(tree, now, &mut entropy, &context.registry, context.limits);
        let outcomes: Vec<Outcome> =
            inputs.into_iter().map(|input| input.map_or(REPEATED, |input| fold.apply(input))).collect();
        let confirmed = self.confirmed.take();
        let beside = Beside { params, labels: HashMap::new(), traces: &traces, confirmed: &confirmed.ids };
        let (outbox, tree) = finish(&tx, context, fold, &beside).await?;
        confirmed.deleted();
        let lost = losses.iter().zip(&outcomes).filter(|(loss, outcome)| **loss && **outcome == Outcome::Applied);
        let leases_lost = u64::try_from(lost.count()).unwrap_or(u64::MAX);
        let passages = passages::of(&tree, now, &waiting, &reported);
        let spans = passages::spans(&tree, now, &traces, &context.traces);
        Ok(Folded { outcomes, outbox, changed: changed(&tree), passages, spans, leases_lost })
    }

    /// Makes jobs: what was submitted. That ends the transaction. Also where each of them stands.
    pub(super) async fn create(
        tx: &Unit,
        context: &FoldContext,
        jobs: Vec<(NewJob, Value)>,
        traces: &RootTraces,
    ) -> Result<(Folded, HashMap<JobId, JobStatus>), StoreError> {
        let (mut entropy, now) = (SystemEntropy, Utc::now());
        let mut fold = Fold::new(Tree::default(), now, &mut entropy, &context.registry, context.limits);
        let mut labels = HashMap::new();
        for (job, job_labels) in jobs {
            labels.insert(job.id, job_labels);
            fold.create(job);
        }
        let beside = Beside { params: KnownParams::new(), labels, traces, confirmed: &[] };
        let (outbox, tree) = finish(tx, context, fold, &beside).await?;
        let statuses = tree.created().map(|job| (job.id, job.status)).collect();
        let passages = passages::of(&tree, now, &[], &HashSet::new());
        let spans = passages::spans(&tree, now, traces, &context.traces);
        Ok((Folded { outbox, changed: changed(&tree), passages, spans, ..Folded::default() }, statuses))
    }
}

const REPEATED: Outcome = Outcome::Ignored(Ignored::Repeat);

/// A chunk of an items list, as the table knows it: job, dispatch, sequence number.
type Chunk = (Uuid, i32, i64);

fn chunk(input: &Input) -> Option<(Chunk, WorkerSession)> {
    match input {
        Input::Event(event) if matches!(event.kind, JobEventKind::Items { .. }) => {
            Some(((event.job_id.0, signed(event.dispatch), signed_long(event.seq)), event.worker_session))
        }
        _ => None,
    }
}

/// A chunk of a list that was delivered before must not be counted again.
async fn without_known_items(tx: &Unit, inputs: Vec<Input>) -> Result<Vec<Option<Input>>, StoreError> {
    let chunks: Vec<Chunk> = inputs.iter().filter_map(chunk).map(|(chunk, _)| chunk).collect();
    if chunks.is_empty() {
        return Ok(inputs.into_iter().map(Some).collect());
    }
    let statement = tx.prepare_cached(sql::KNOWN_ITEMS).await?;
    let jobs: Vec<Uuid> = chunks.iter().map(|chunk| chunk.0).collect();
    let dispatches: Vec<i32> = chunks.iter().map(|chunk| chunk.1).collect();
    let seqs: Vec<i64> = chunks.iter().map(|chunk| chunk.2).collect();
    let rows = tx.query(&statement, &[&jobs, &dispatches, &seqs]).await?;
    Ok(fresh(inputs, &rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()))
}

/// The inputs without the chunks that are kept already or stand twice in the batch. Each session counts for itself: a chunk
/// of one that does not hold the lease, and will be refused, must not pass for the chunk of the one that does.
fn fresh(inputs: Vec<Input>, kept: &HashSet<Chunk>) -> Vec<Option<Input>> {
    let mut met = HashSet::new();
    let mut is_fresh = |(chunk, session)| !kept.contains(&chunk) && met.insert((chunk, session));
    inputs.into_iter().map(|input| chunk(&input).is_none_or(&mut is_fresh).then_some(input)).collect()
}

/// What a transaction knows beside the tree.
struct Beside<'a> {
    params: KnownParams,
    /// Of jobs that are submitted in this fold.
    labels: HashMap<JobId, Value>,
    /// Where the traces of the trees begin.
    traces: &'a RootTraces,
    /// Rows of the outbox that it takes along.
    confirmed: &'a [i64],
}

/// Answers what the fold asks for until it rests, then writes all of it and commits.
async fn finish(
    tx: &Unit,
    context: &FoldContext,
    mut fold: Fold<'_>,
    beside: &Beside<'_>,
) -> Result<(Vec<OutboxRow>, Tree), StoreError> {
    let mut rounds = 0;
    let mut effects = Vec::new();
    loop {
        let plan = fold.plan();
        // A list that arrived in this very batch may be what a fan-out is cut from.
        effects.extend(write::items(tx, fold.effects()).await?);
        if plan.is_empty() {
            break;
        }
        rounds += 1;
        if rounds > MAX_ROUNDS {
            let roots = fold.tree.jobs().map(|job| job.root_id).collect::<BTreeSet<_>>().len();
            return Err(StoreError::Unrest { roots, rounds: MAX_ROUNDS });
        }
        answer(tx, context, &mut fold, &beside.params, plan).await?;
    }
    let given = fold.given();
    let epoch = context.epoch.borrow().clone();
    let stamp = Stamp { now: Utc::now(), epoch: epoch.as_deref(), labels: &beside.labels, traces: beside.traces };
    let last = Last::prepared(tx).await?;
    // Sent together: none of them needs what another writes.
    let writes = async {
        let ((), (), (), outbox) = try_join!(
            write::insert_jobs(tx, &last, &fold.tree, &stamp),
            write::update_jobs(tx, &last, &fold.tree, &stamp),
            write::delete_outbox(tx, &last, beside.confirmed),
            write::effects(tx, &last, &fold.tree, effects, given, context.claim, beside.traces),
        )?;
        Ok(outbox)
    };
    let outbox = tx.last(writes).await?;
    Ok((outbox, fold.tree))
}

/// The roots of the trees that a fold changed.
fn changed(tree: &Tree) -> Vec<JobId> {
    let roots: BTreeSet<JobId> = tree.created().chain(tree.changed()).map(|job| job.root_id).collect();
    roots.into_iter().collect()
}

/// One round: one statement for each kind of request, however many ask.
async fn answer(
    tx: &Unit,
    context: &FoldContext,
    fold: &mut Fold<'_>,
    params: &KnownParams,
    plan: Vec<Command>,
) -> Result<(), StoreError> {
    tx.begin().await?;
    let (mut advances, mut assembles, mut expansions, mut windows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut loads, mut waiting) = (Vec::new(), Vec::new());
    for command in plan {
        match command {
            Command::Load { workflow, jobs } => {
                loads.extend(jobs.iter().map(|job| job.0));
                waiting.push((workflow, BTreeSet::new()));
            }
            Command::Advance { workflow, results } => advances.push((workflow, results)),
            Command::Assemble { workflow, summary } => assembles.push((workflow, summary)),
            Command::Expand { workflow, step, source, batch_size, template } => {
                expansions.push(Expansion { workflow, step, source, batch_size, template: template.to_json() });
            }
            Command::Window { workflow, step, cursor, count, redo_from } => {
                windows.push(Window { step: (workflow, step), cursor, count, redo_from });
            }
            Command::Publish { .. }
            | Command::Tombstone(_)
            | Command::Withdraw(_)
            | Command::Stop { .. }
            | Command::StoreItems { .. }
            | Command::Record(_)
            | Command::Notify { .. } => {}
        }
    }
    load::with_ancestors(tx, &context.registry, &loads, &mut fold.tree).await?;
    advances.extend(waiting);
    if !assembles.is_empty() {
        assemble(tx, fold, assembles).await?;
    }
    if !expansions.is_empty() {
        for Expanded { workflow, step, batches } in write::expand(tx, expansions).await? {
            match batches {
                Ok(total) => fold.expanded(workflow, step, total),
                Err((expected, found)) => fold.not_expanded(workflow, step, expected, found),
            }
        }
    }
    if !windows.is_empty() {
        open_windows(tx, context, fold, &windows).await?;
    }
    if !advances.is_empty() {
        let mut facts = load::facts(tx, &fold.tree, params, &advances).await?;
        for (workflow, _) in advances {
            if let Some(facts) = facts.remove(&workflow) {
                fold.advance(workflow, &facts);
            }
        }
    }
    Ok(())
}

async fn assemble(tx: &Unit, fold: &mut Fold<'_>, assembles: Vec<(JobId, Value)>) -> Result<(), StoreError> {
    let workflows: Vec<JobId> = assembles.iter().map(|(id, _)| *id).collect();
    let mut ends = load::ends(tx, &fold.tree, &workflows).await?;
    for (id, summary) in assembles {
        let ends = ends.remove(&id).unwrap_or_default();
        if let Some(job) = fold.tree.get(id) {
            let result = view::result(job, &summary, &ends);
            fold.assembled(id, result);
        }
    }
    Ok(())
}

async fn open_windows(
    tx: &Unit,
    context: &FoldContext,
    fold: &mut Fold<'_>,
    windows: &[Window],
) -> Result<(), StoreError> {
    let mut found = load::windows(tx, windows).await?;
    let earlier: Vec<Uuid> =
        found.values().flat_map(|(rows, _)| rows.iter().filter_map(|row| row.job_id)).map(|id| id.0).collect();
    load::with_ancestors(tx, &context.registry, &earlier, &mut fold.tree).await?;
    for window in windows {
        let Some((rows, template)) = found.remove(&window.step) else {
            let what = format!("fan-out of job {} step {}", window.step.0, window.step.1);
            return Err(StoreError::corrupt(what, "its template is missing"));
        };
        let exhausted = rows.len() < usize::try_from(window.count).unwrap_or(usize::MAX);
        fold.dispatch_batches(window.step.0, window.step.1, &rows, exhausted, &template);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use drover_engine::Ignored;
    use drover_protocol::JobEvent;

    use super::*;
    use crate::testing::Desk;

    fn items(session: u128, seq: u64) -> Input {
        Input::Event(JobEvent {
            job_id: JobId(Uuid::from_u128(1)),
            attempt: 1,
            dispatch: 1,
            worker_session: WorkerSession(Uuid::from_u128(session)),
            seq,
            at: chrono::DateTime::UNIX_EPOCH,
            kind: JobEventKind::Items { name: "list".into(), values: vec![] },
        })
    }

    #[tokio::test]
    async fn a_chunk_that_is_delivered_again_counts_once() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let id = desk.submit("work").await;
        let values = vec![1.into(), 2.into()];
        let chunk = desk.event(id, JobEventKind::Items { name: "list".into(), values });
        let fold = async |events: &[&JobEvent]| {
            let inputs = events.iter().map(|event| Input::Event((*event).clone())).collect();
            desk.app.store.fold(&desk.app.context, inputs).await.expect("folded").outcomes
        };
        let repeat = Outcome::Ignored(Ignored::Repeat);
        assert_eq!(fold(&[&chunk, &chunk]).await, [Outcome::Applied, repeat.clone()], "in one transaction");
        assert_eq!(fold(&[&chunk]).await, [repeat], "in another one");
        desk.complete(id, Value::Null).await;
        let job = desk.app.store.view_job(id, true).await.expect("read").expect("it is there");
        assert_eq!(job.view["result"]["list"]["$items"]["count"], 2, "{}", job.view);
    }

    #[test]
    fn a_chunk_counts_once_and_another_sessions_chunk_does_not_stand_for_it() {
        let kept = HashSet::from([(Uuid::from_u128(1), 1, 4)]);
        let batch = vec![items(9, 5), items(7, 5), items(7, 5), items(7, 4), items(7, 6)];
        let fresh: Vec<bool> = fresh(batch, &kept).iter().map(Option::is_some).collect();
        assert_eq!(fresh, [true, true, false, false, true]);
    }
}
