//! The job types that a worker takes.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use drover_protocol::{JobError, JobType, JobTypeInfo, names::InvalidJobType};
use serde_json::Value;

use crate::{Job, JobContext, JobFailure, Outcome, ending::Returned};

/// A job of any type: parameters and result are JSON.
#[async_trait]
pub(crate) trait AnyJob: Send + Sync {
    /// What is announced of it.
    fn info(&self, job_type: JobType) -> JobTypeInfo;

    /// Reads the parameters, does the work, writes the result.
    async fn run(&self, ctx: &JobContext, params: Value) -> Returned;
}

/// A worker's job types by their name.
#[derive(Default)]
pub(crate) struct Registry {
    jobs: BTreeMap<JobType, Arc<dyn AnyJob>>,
}

/// Job types that cannot be taken together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The type's name is not allowed.
    #[error("Job::TYPE: {0}")]
    Name(#[from] InvalidJobType),
    /// Two jobs have the same type.
    #[error("two jobs have the type {0:?}; each type is registered once")]
    Duplicate(JobType),
    /// The worker has no job.
    #[error("the worker has no job; register at least one with `Worker::builder(…).job(…)`")]
    Empty,
}

impl Registry {
    pub(crate) fn add<J: Job>(&mut self, job: J) -> Result<(), RegistryError> {
        let job_type = JobType::new(J::TYPE)?;
        if self.jobs.contains_key(&job_type) {
            return Err(RegistryError::Duplicate(job_type));
        }
        self.jobs.insert(job_type, Arc::new(Typed(job)));
        Ok(())
    }

    pub(crate) fn get(&self, job_type: &JobType) -> Option<Arc<dyn AnyJob>> {
        self.jobs.get(job_type).cloned()
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = &JobType> {
        self.jobs.keys()
    }

    pub(crate) fn infos(&self) -> Vec<JobTypeInfo> {
        self.jobs.iter().map(|(job_type, job)| job.info(job_type.clone())).collect()
    }
}

struct Typed<J>(J);

/// A job without its types.
pub(crate) fn any<J: Job>(job: J) -> Arc<dyn AnyJob> {
    Arc::new(Typed(job))
}

#[async_trait]
impl<J: Job> AnyJob for Typed<J> {
    fn info(&self, job_type: JobType) -> JobTypeInfo {
        JobTypeInfo {
            job_type,
            title: J::TITLE.to_owned(),
            unit: J::UNIT.map(str::to_owned),
            params_schema: schemars::schema_for!(J::Params).to_value(),
            result_schema: schemars::schema_for!(J::Result).to_value(),
            concurrency: J::CONCURRENCY,
        }
    }

    async fn run(&self, ctx: &JobContext, params: Value) -> Returned {
        let params = match serde_path_to_error::deserialize(params) {
            Ok(params) => params,
            Err(error) => return Returned::Failure(invalid_params(&error)),
        };
        match self.0.run(ctx, params).await {
            Ok(outcome) => done(outcome),
            Err(failure) => Returned::Failure(failure),
        }
    }
}

fn invalid_params(error: &serde_path_to_error::Error<serde_json::Error>) -> JobFailure {
    let path = error.path().to_string();
    let field = if path == "." { "params".to_owned() } else { format!("params.{path}") };
    JobFailure::permanent("invalid_params", format!("{field}: {}", error.inner()))
}

fn done<R: serde::Serialize>(outcome: Outcome<R>) -> Returned {
    let (result, warnings, errors) = match outcome {
        Outcome::Completed(result) => (result, Vec::new(), None),
        Outcome::CompletedWithWarnings(result, warnings) => (result, warnings, None),
        Outcome::CompletedWithErrors(result, errors) => (result, Vec::new(), Some(errors)),
    };
    match serde_json::to_value(result) {
        Ok(result) => Returned::Done { result, warnings, errors },
        Err(error) => {
            let message = format!("the result is no JSON: {error}");
            Returned::Failure(JobFailure::Failed {
                error: JobError::permanent("invalid_result", message),
                partial: None,
            })
        }
    }
}
