//! Workflow definitions.

mod canonical;
mod document;
pub mod duration;
mod error;
mod expressions;
mod input;
pub mod limits;
mod model;
mod parse;
mod report;
mod retry;
mod schedule;
mod sound;
mod step;
#[cfg(test)]
mod tests;
mod work;

use std::{collections::BTreeSet, sync::Arc};

use drover_protocol::JobType;
use serde_json::Value;

pub use error::{DefinitionError, Problem};
pub use input::{FieldError, InputSchema};
pub use model::{BatchSize, Definition, FanOut, FinishIf, OnFailure, Repeat, Step, Tolerate, Work};
pub use retry::{Backoff, RetryPolicy};
pub use schedule::{CatchUp, Overlap, Schedule};

impl Definition {
    /// Reads a definition from YAML or JSON. `file` names it in errors.
    ///
    /// # Errors
    /// Everything that is wrong with it, with lines and keys.
    pub fn parse(file: &str, text: &str) -> Result<Self, DefinitionError> {
        parse::text(file, text)
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// As [`Self::parse`], without lines.
    pub fn from_json(file: &str, value: &Value) -> Result<Self, DefinitionError> {
        parse::json(file, value)
    }

    /// The whole document, for storage. Of a nested chain: the document it stands in.
    #[must_use]
    pub fn to_json(&self) -> &Value {
        &self.document
    }

    /// The job types that its steps run, at any depth. What a step that is another workflow runs is that one's own.
    #[must_use]
    pub fn job_types(&self) -> BTreeSet<JobType> {
        let of = |step: &Step| match &step.work {
            Work::Job(job_type) => BTreeSet::from([job_type.clone()]),
            Work::Steps(nested) => nested.job_types(),
            Work::Workflow(_) | Work::Signal | Work::Milestone => BTreeSet::new(),
        };
        self.steps.iter().chain(&self.cleanup).flat_map(of).collect()
    }

    /// The chain of nested steps that the step keys lead to; none when there is no such chain or `path` is empty.
    #[must_use]
    pub fn nested(&self, path: &[String]) -> Option<Arc<Self>> {
        let (first, rest) = path.split_first()?;
        let step = self.steps.iter().chain(&self.cleanup).find(|step| step.key == *first)?;
        match &step.work {
            Work::Steps(nested) if rest.is_empty() => Some(Arc::clone(nested)),
            Work::Steps(nested) => nested.nested(rest),
            Work::Job(_) | Work::Workflow(_) | Work::Signal | Work::Milestone => None,
        }
    }

    /// Checks parameters against `input` and fills in its defaults.
    ///
    /// # Errors
    /// One entry for each parameter that does not fit.
    pub fn validate_input(&self, params: Value) -> Result<Value, Vec<FieldError>> {
        match &self.input {
            Some(schema) => schema.validate(params),
            None => Ok(params),
        }
    }
}
