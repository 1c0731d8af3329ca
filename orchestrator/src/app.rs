//! What every part of the orchestrator shares, and the actions that people and other systems take.

mod error;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use drover_broker::Broker;
use drover_engine::{
    Answer, Catalog, Ignored, Input, Outcome, Workflow,
    definition::{Definition, FieldError},
    fold::NewJob,
    job::Policy,
};
use drover_protocol::{JobId, JobStatus, JobType, Names, Submission, WorkerSession};
use jsonschema::Validator;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    access::Door,
    config::LogsSection,
    duty::Press,
    gather::Gathered,
    live::Live,
    metrics::Metrics,
    relay::RelayHandle,
    retention::RetentionSection,
    store::{FoldContext, Folded, Known, NewRoot, Outgoing, ReplayLimits, Store, StoreError, SubmissionKey, Types},
};

pub use error::ActionError;

/// How often a delete is tried against a job whose state changes under it.
const DELETE_TRIES: usize = 3;

/// Most jobs that wait for an answer which are named to whoever did not say which.
const SEVERAL: i64 = 20;

/// The parts, as everybody sees them.
pub struct App {
    /// The database.
    pub store: Store,
    /// What every fold shares.
    pub context: FoldContext,
    /// The broker.
    pub broker: Arc<dyn Broker>,
    /// What exchanges and queues are called.
    pub names: Names,
    /// Takes what is owed to the broker.
    pub relay: RelayHandle,
    /// Tells those who watch.
    pub live: Live,
    /// Wakes what a cancel waits for.
    pub press: Press,
    /// Submissions that wait for their transaction.
    pub gathered: Gathered,
    /// Counts.
    pub metrics: Metrics,
    /// Largest message, in bytes.
    pub message_bytes: usize,
    /// How long finished work is kept.
    pub retention: RetentionSection,
    /// How many log lines are kept.
    pub logs: LogsSection,
    /// What a replay may hold in memory.
    pub replay: ReplayLimits,
    /// Folders whose files are served, by the name that stands in their addresses.
    pub files: BTreeMap<String, PathBuf>,
    /// Who may come in.
    pub door: Door,
}

/// A job that was accepted.
#[derive(Clone, Copy, Debug)]
pub struct Submitted {
    /// The job.
    pub id: JobId,
    /// Where it stood when it was made; `None`: an earlier submission with the same key had made it.
    pub made: Option<JobStatus>,
}

/// Whose key it is.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// The way and the sender.
    pub scope: String,
    /// The key.
    pub key: String,
}

impl App {
    /// Checks submissions and makes the jobs of them, with one look at the database, without accepting them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn check_all(
        &self,
        submissions: Vec<(Submission, Option<Idempotency>)>,
    ) -> Result<Vec<Result<NewRoot, ActionError>>, StoreError> {
        let names = submissions.iter().map(|(submission, _)| submission.job_type.clone()).collect();
        let known = self.store.known_types(&self.context.registry, &names).await?;
        Ok(submissions.into_iter().map(|(submission, key)| check(&known, submission, key)).collect())
    }

    /// Asks for a job's end.
    ///
    /// # Errors
    /// When there is no such job, it has ended, or the database is away. Asking twice is no error.
    pub async fn cancel(&self, id: JobId, now: bool) -> Result<(), ActionError> {
        self.act(Input::Cancel { job_id: id, now }).await
    }

    /// Asks that nothing of a job be begun until it is resumed.
    ///
    /// # Errors
    /// When there is no such job, it has ended or is being cancelled, a worker runs it, or the database is away. Asking twice
    /// is no error.
    pub async fn pause(&self, id: JobId) -> Result<(), ActionError> {
        self.act(Input::Pause { job_id: id }).await
    }

    /// Lets a paused job go on.
    ///
    /// # Errors
    /// When there is no such job, it has ended, it is paused with a workflow above it, or the database is away. A job that is
    /// not paused is none.
    pub async fn resume(&self, id: JobId) -> Result<(), ActionError> {
        self.act(Input::Resume { job_id: id }).await
    }

    /// Retries an ended job.
    ///
    /// # Errors
    /// When there is no such job, it has not ended or completed, its workflow is past it, or the database is away.
    pub async fn retry(&self, id: JobId, from_start: bool) -> Result<(), ActionError> {
        self.act(Input::Retry { job_id: id, from_start }).await
    }

    /// Answers the job that waits for a signal: this one, or the one below it; `step`: the key of its step, where several wait.
    /// `seen`: the dispatch of what was looked at. The job that was answered.
    ///
    /// # Errors
    /// When there is no such job, nothing of it waits for an answer (any more), several do, or the database is away.
    pub async fn answer(
        &self,
        id: JobId,
        step: Option<&str>,
        seen: Option<u32>,
        answer: Answer,
    ) -> Result<JobId, ActionError> {
        let waiting = self.store.waiting_signals(id, step, SEVERAL).await?;
        let (job_id, found) = match waiting.as_slice() {
            [one] => (one.id, Some(one.dispatch)),
            // Whoever comes late is told what was answered.
            [] => (self.store.last_signal(id, step).await?.unwrap_or(id), None),
            _ => return Err(ActionError::SeveralWait { id, waiting }),
        };
        self.act(Input::Answer { job_id, dispatch: seen.or(found), answer }).await?;
        Ok(job_id)
    }

    /// Keeps workers from taking jobs of a type, or of all types, until they are resumed. What runs goes on.
    ///
    /// # Errors
    /// When no worker has announced the type, or the database is away. Asking twice is no error.
    pub async fn pause_types(&self, types: &Types, reason: Option<&str>) -> Result<(), ActionError> {
        self.check_types(types).await?;
        self.relay.send(self.store.pause_types(types, reason, self.context.claim).await?);
        Ok(())
    }

    /// Lets workers take jobs of a type, or of all types that are not paused by themselves.
    ///
    /// # Errors
    /// When no worker has announced the type, it is paused with all others, or the database is away. A type that is not paused
    /// is none.
    pub async fn resume_types(&self, types: &Types) -> Result<(), ActionError> {
        self.check_types(types).await?;
        if let Types::One(job_type) = types
            && !self.store.view_pauses(Some(&Types::All)).await?.is_empty()
        {
            return Err(ActionError::AllPaused(job_type.clone()));
        }
        self.relay.send(self.store.resume_types(types, self.context.claim).await?);
        Ok(())
    }

    /// Tells a worker to take no new jobs, to finish what it runs and to end.
    ///
    /// # Errors
    /// When there is no such worker, it is not live, or the database is away. Asking twice is no error.
    pub async fn drain(&self, session: WorkerSession) -> Result<(), ActionError> {
        let found = self.store.drain_worker(session, self.context.claim).await?;
        let (status, owed) = found.ok_or(ActionError::UnknownWorker(session))?;
        if owed.is_empty() {
            return Err(ActionError::WorkerGone { session, status });
        }
        self.relay.send(owed);
        Ok(())
    }

    /// Whether workers can be told of it.
    async fn check_types(&self, types: &Types) -> Result<(), ActionError> {
        let Types::One(name) = types else { return Ok(()) };
        let standing = self.store.type_standing(name).await?;
        if standing.announced {
            return Ok(());
        }
        let definition = self.context.registry.current(name).filter(|_| standing.workflow);
        Err(match definition {
            Some(definition) => ActionError::IsWorkflow { name: name.clone(), jobs: definition.job_types() },
            None => ActionError::NotAnnounced(name.clone()),
        })
    }

    /// Deletes a job that has ended, with all that belongs to it.
    ///
    /// # Errors
    /// When there is no such job, it is a part of another one, it has not ended, or the database is away.
    pub async fn delete(&self, id: JobId) -> Result<(), ActionError> {
        let mut why = ActionError::UnknownJob(id);
        for _ in 0..DELETE_TRIES {
            if self.store.delete(&[id]).await?.contains(&id) {
                return Ok(());
            }
            let job = self.store.view_job(id, true).await?.ok_or(ActionError::UnknownJob(id))?;
            let (root, status) = (job.root_id, job.status);
            if root != id {
                return Err(ActionError::SubJob { id, root, status });
            }
            why = ActionError::NotFinished { id, status };
            // It ended in between: it can be deleted now.
            if !status.is_terminal() {
                break;
            }
        }
        Err(why)
    }

    async fn act(&self, input: Input) -> Result<(), ActionError> {
        let (id, resumes) = (input.job_id(), matches!(input, Input::Resume { .. }));
        let folded = self.store.fold(&self.context, vec![input]).await?;
        let outcome = folded.outcomes.first().cloned();
        self.tell(folded, resumes);
        verdict(id, outcome)
    }

    /// Registers a definition. Its version, and whether it is a new one.
    ///
    /// # Errors
    /// When it is not valid, or the database is away.
    pub async fn apply(&self, source: &str, text: &str) -> Result<(Arc<Definition>, bool), ActionError> {
        let definition = Definition::parse(source, text)?;
        let name = definition.name.clone();
        let kept = Arc::new(definition.clone());
        let changed = self.store.apply_definition(definition, source).await?;
        self.store.refresh(&self.context.registry).await?;
        tracing::info!(workflow = %name, hash = %kept.hash, changed, "definition applied");
        Ok((self.context.registry.current(&name).unwrap_or(kept), changed))
    }

    /// After a commit: what is owed to the broker goes to the relay, those who watch are told.
    pub fn committed(&self, folded: Folded) {
        self.tell(folded, false);
    }

    /// `waits`: something waits for the workers' acknowledgements, so that all replicas look at once.
    fn tell(&self, folded: Folded, waits: bool) {
        self.metrics.folded(&folded);
        folded.spans.into_iter().for_each(|span| self.context.traces.take(span));
        let told = waits || folded.outbox.iter().any(|row| matches!(row.outgoing, Outgoing::Control(_)));
        self.relay.send(folded.outbox);
        self.live.changed(&folded.changed, told);
        if told {
            self.press.beat();
        }
    }
}

/// What the fold's word means to whoever asked.
pub(crate) fn verdict(id: JobId, outcome: Option<Outcome>) -> Result<(), ActionError> {
    match outcome {
        Some(Outcome::Illegal(refusal)) => Err(ActionError::Refused(refusal)),
        Some(Outcome::Ignored(Ignored::UnknownJob)) | None => Err(ActionError::UnknownJob(id)),
        Some(Outcome::Applied | Outcome::Ignored(_)) => Ok(()),
    }
}

/// A reference to a list can only be to one of another tree, which is nobody's business.
fn refuse_references(job_type: &JobType, params: &Value) -> Result<(), ActionError> {
    let Some(pointer) = find_reference(params, String::new()) else { return Ok(()) };
    let message = "\"$items\" refers to a list that a job of the same workflow sent; submit the list itself".into();
    Err(ActionError::InvalidParams { job_type: job_type.clone(), errors: vec![FieldError { pointer, message }] })
}

/// Where the first reference to a list stands, as a JSON pointer.
fn find_reference(value: &Value, at: String) -> Option<String> {
    match value {
        Value::Object(fields) if fields.contains_key("$items") => Some(at),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            find_reference(value, format!("{at}/{key}"))
        }),
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(index, value)| find_reference(value, format!("{at}/{index}")))
        }
        _ => None,
    }
}

/// Makes the job of a submission, by what is known of its type.
pub(crate) fn check(
    known: &HashMap<String, Known>,
    submission: Submission,
    key: Option<Idempotency>,
) -> Result<NewRoot, ActionError> {
    let key = key.map(|key| SubmissionKey { scope: key.scope, key: key.key, fingerprint: fingerprint(&submission) });
    // Whoever read the submission has taken its key.
    let Submission { job_type, params, labels, run_at, idempotency_key: _ } = submission;
    refuse_references(&job_type, &params)?;
    let (params, workflow) = match known.get(job_type.as_str()) {
        None => return Err(ActionError::UnknownType(job_type)),
        Some(Known::Workflow(definition)) => match definition.validate_input(params) {
            Ok(params) => (params, Some(Workflow::new(Arc::clone(definition)))),
            Err(errors) => return Err(ActionError::InvalidParams { job_type, errors }),
        },
        Some(Known::Job(validator)) => {
            check_params(&job_type, validator.as_deref(), &params)?;
            (params, None)
        }
    };
    let id = JobId(Uuid::now_v7());
    let policy = Policy::default();
    let job = NewJob { id, root_id: id, parent: None, job_type, params, policy, workflow, run_at };
    Ok(NewRoot { job, labels, key, traceparent: None })
}

/// The parameters of a job on its own, against what the workers announced.
fn check_params(job_type: &JobType, validator: Option<&Validator>, params: &Value) -> Result<(), ActionError> {
    let Some(validator) = validator else {
        // A worker's schema that cannot be used must not keep its jobs from running: the worker checks them too.
        tracing::warn!(job.r#type = %job_type, "the announced params_schema is no valid JSON Schema");
        return Ok(());
    };
    let errors: Vec<FieldError> = validator
        .iter_errors(params)
        .take(20)
        .map(|error| FieldError { pointer: error.instance_path().to_string(), message: error.to_string() })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(ActionError::InvalidParams { job_type: job_type.clone(), errors }) }
}

/// Two submissions with the same key must say the same.
fn fingerprint(submission: &Submission) -> String {
    let content =
        serde_json::to_vec(&(&submission.job_type, &submission.params, &submission.labels, &submission.run_at));
    let digest = Sha256::digest(content.unwrap_or_default());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
