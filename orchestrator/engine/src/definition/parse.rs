//! From a document to a [`Definition`].

use std::{collections::BTreeMap, sync::Arc};

use drover_protocol::JobType;
use serde_json::Value;

use super::{
    Definition, DefinitionError, InputSchema, Problem, Schedule, Step, canonical,
    document::{Content, Node, Position},
    expressions::{Compiling, Visible},
    limits,
    report::{Field, Fields, Report},
    sound, step,
};
use crate::expression::{Template, shorten};

const KEYS: [&str; 7] = ["name", "title", "input", "steps", "cleanup", "summary", "schedule"];

/// What is the same in all of a document.
pub(super) struct Document<'r> {
    pub(super) report: &'r mut Report,
    pub(super) hash: String,
    pub(super) json: Arc<Value>,
    /// Steps found so far, nested ones included.
    pub(super) steps: usize,
}

/// A chain of steps whose definition is being read.
pub(super) struct Chain<'a> {
    pub(super) name: &'a JobType,
    /// The outermost definition's name.
    pub(super) root: &'a JobType,
    /// The step keys that lead here.
    pub(super) path: &'a [String],
    pub(super) input: Option<&'a InputSchema>,
    /// The keys of the steps of all definitions around this one.
    pub(super) outer: &'a [String],
    /// Whether it is the work of a fan-out's batches.
    pub(super) in_batch: bool,
    /// Whether it is a part of the clean-up.
    pub(super) in_cleanup: bool,
    /// 1 for the outermost.
    pub(super) level: usize,
}

/// Reads a definition from text.
pub(super) fn text(file: &str, text: &str) -> Result<Definition, DefinitionError> {
    match Node::parse(text) {
        Ok(node) => document(file, &node),
        Err(problem) => Err(refused(file, problem)),
    }
}

/// Reads a definition from JSON that was stored.
pub(super) fn json(file: &str, value: &Value) -> Result<Definition, DefinitionError> {
    document(file, &Node::of(value))
}

fn refused(file: &str, problem: Problem) -> DefinitionError {
    DefinitionError { file: file.to_owned(), problems: vec![problem], more: 0 }
}

fn document(file: &str, node: &Node) -> Result<Definition, DefinitionError> {
    let mut report = Report::default();
    if sound::check(&Field { node, path: String::new() }, &mut report).is_err() {
        return Err(report.into_error(file));
    }
    let json = node.to_value();
    let mut document = Document { report: &mut report, hash: canonical::hash(&json), json: Arc::new(json), steps: 0 };
    match definition(node, &mut document) {
        Some(definition) if report.len() == 0 => Ok(definition),
        _ => Err(report.into_error(file)),
    }
}

fn definition(node: &Node, document: &mut Document<'_>) -> Option<Definition> {
    let whole = Field { node, path: String::new() };
    let fields = Fields::of(&whole, &KEYS, document.report)?;
    let name = fields.require("name", "by it the workflow is submitted", document.report);
    let name = name.and_then(|field| job_type(&field, document.report));
    let title = fields.get("title").and_then(|field| field.title(document.report));
    let input = fields.get("input").and_then(|field| InputSchema::read(&field, document.report));
    let listed = fields.require("steps", "a workflow has at least one step", document.report);
    // A name is needed to read on; its absence is reported already.
    let known_name = name.clone().unwrap_or_else(placeholder);
    let chain = Chain {
        name: &known_name,
        root: &known_name,
        path: &[],
        input: input.as_ref(),
        outer: &[],
        in_batch: false,
        in_cleanup: false,
        level: 1,
    };
    let steps = listed.as_ref().and_then(|field| steps(field, &chain, document)).unwrap_or_default();
    let keys = listed.as_ref().map(step::keys).unwrap_or_default();
    let cleanup = fields.get("cleanup").and_then(|field| cleanup(&field, &chain, &keys, document)).unwrap_or_default();
    let summary = fields.get("summary").map(|field| summary(&field, &chain, &keys, document)).unwrap_or_default();
    let schedule = fields.get("schedule").and_then(|field| Schedule::read(&field, input.as_ref(), document.report));
    let name = name?;
    Some(Definition {
        title: title.unwrap_or_else(|| name.to_string()),
        name,
        input,
        steps,
        cleanup,
        summary,
        schedule,
        hash: document.hash.clone(),
        path: Vec::new(),
        document: Arc::clone(&document.json),
    })
}

/// Stands for a name that could not be read, so that the rest can be checked all the same.
fn placeholder() -> JobType {
    // A constant; the golden test of a definition without a name comes by here.
    JobType::new("unnamed").expect("a valid name")
}

/// A name of a workflow or job type.
pub(super) fn job_type(field: &Field<'_>, report: &mut Report) -> Option<JobType> {
    let text = field.text("a name", report)?;
    JobType::new(text).map_err(|error| field.add(report, error.to_string())).ok()
}

/// Reads the steps of a definition.
fn steps(field: &Field<'_>, chain: &Chain<'_>, document: &mut Document<'_>) -> Option<Vec<Step>> {
    let fields = field.list("a list of steps", document.report)?;
    if fields.is_empty() {
        field.add(document.report, "must have at least one step");
    }
    let keys = step::keys(field);
    let mut taken = Vec::new();
    let mut steps = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let place = step::Place { chain, keys: &keys, index, is_cleanup: false, main: &[] };
        steps.extend(step::read(field, &place, &mut taken, document));
    }
    if !steps.is_empty() && steps.iter().all(|step| step.weight == 0) && steps.len() == fields.len() {
        field.add(document.report, "at least one step needs a weight above 0: the weights share the progress bar");
    }
    Some(steps)
}

fn cleanup(field: &Field<'_>, chain: &Chain<'_>, main: &[String], document: &mut Document<'_>) -> Option<Vec<Step>> {
    let fields = field.list("a list of steps", document.report)?;
    let keys = step::keys(field);
    let mut taken = main.to_vec();
    let mut steps = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let place = step::Place { chain, keys: &keys, index, is_cleanup: true, main };
        steps.extend(step::read(field, &place, &mut taken, document));
    }
    Some(steps)
}

fn summary(
    field: &Field<'_>,
    chain: &Chain<'_>,
    keys: &[String],
    document: &mut Document<'_>,
) -> BTreeMap<String, Template> {
    let Content::Map(entries) = &field.node.content else {
        field.add(document.report, format!("must be a mapping of names to values; it is {}", field.node.kind()));
        return BTreeMap::new();
    };
    let visible = Visible {
        earlier: keys.iter().map(String::as_str).collect(),
        own: None,
        own_ended: false,
        later: Vec::new(),
        outer: &[],
        batch: false,
        repeat: false,
        input: chain.input,
    };
    let mut summary = BTreeMap::new();
    for entry in entries {
        let place = field.below(&shorten(&entry.key, 80), &entry.value);
        if entry.key == "total_errors" {
            place.add(document.report, "`total_errors` is counted by the orchestrator; call yours something else");
        }
        let compiled = Compiling { visible: &visible, report: document.report }.template(&place, &place.path);
        summary.extend(compiled.map(|template| (entry.key.clone(), template)));
    }
    summary
}

/// Reads nested steps into a definition of their own.
pub(super) fn nested(
    field: &Field<'_>,
    chain: &Chain<'_>,
    title: &str,
    document: &mut Document<'_>,
) -> Option<Definition> {
    if chain.level > limits::NESTING {
        field.add(
            document.report,
            format!("steps may be nested {} levels deep; make a workflow of its own of this", limits::NESTING),
        );
        return None;
    }
    let steps = steps(field, chain, document)?;
    Some(Definition {
        name: chain.name.clone(),
        title: title.to_owned(),
        input: chain.input.cloned(),
        steps,
        cleanup: Vec::new(),
        summary: BTreeMap::new(),
        schedule: None,
        hash: document.hash.clone(),
        path: chain.path.to_vec(),
        document: Arc::clone(&document.json),
    })
}

impl Document<'_> {
    /// Counts a step; reports the first that is too many.
    pub(super) fn count_step(&mut self, at: Position, path: &str) {
        self.steps += 1;
        if self.steps == limits::STEPS + 1 {
            self.report.add(
                at,
                path,
                format!("a definition has at most {} steps, nested ones included", limits::STEPS),
            );
        }
    }
}
