//! A tree rebuilt from its history: every kept input through the same fold that took it the first time, with the same time,
//! the same ids and the same answers. What comes out must equal the rows.
//!
//! ```text
//! Replay::new(root)
//! read(lines) …            the history, in order and in pages of any size
//! catch_up(rows)           what workers reported under leases that last: taken from the rows, since nothing keeps it yet
//! compare(row) …           every row of the tree
//! finish()                 what differs
//! ```

mod again;
mod compare;
mod difference;
mod given;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use drover_protocol::JobId;
use serde_json::{Map, Value};

pub use compare::Shown;
pub use difference::Difference;

use self::{difference::Differences, given::Fate};
use crate::{
    Command, Fold, Given, Job, Outcome, Record,
    definition::Definition,
    fold::NewJob,
    memory::{Memory, MemoryError},
    record::{self, Kept, Reported},
};

/// A line of the history as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its number: within a tree in the order of folding.
    pub id: i64,
    /// See [`Record::at`].
    pub at: DateTime<Utc>,
    /// The job.
    pub job_id: JobId,
    /// Its attempt after the change.
    pub attempt: u32,
    /// Its dispatch after the change.
    pub dispatch: u32,
    /// What happened.
    pub kind: String,
    /// See [`Record::detail`].
    pub detail: Map<String, Value>,
    /// See [`Record::input`].
    pub input: Option<String>,
    /// See [`Record::given`]. A line that has it begins a fold.
    pub given: Option<Given>,
    /// The values of the chunk that the line tells of, see [`Line::chunk`].
    pub values: Option<Vec<Value>>,
}

impl Line {
    /// The key of the chunk of an items list whose values the line needs: its sequence number, beside job and dispatch.
    #[must_use]
    pub fn chunk(&self) -> Option<u64> {
        match self.input.as_deref() {
            Some("items") => self.detail.get("seq").and_then(Value::as_u64),
            _ => None,
        }
    }

    /// The hashes of the definitions that it refers to.
    pub fn hashes(&self) -> impl Iterator<Item = &str> {
        self.given.iter().flat_map(|given| given.workflows.values().flatten().map(String::as_str))
    }
}

/// Why a history cannot be replayed. That it leads to other rows is no error but a [`Difference`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It was kept by a version that did not keep enough.
    #[error(
        "its history cannot be replayed from line {line} on: that was kept by a version of Drover that did not keep enough \
         for it. Jobs that were submitted since the update can be replayed"
    )]
    TooOld {
        /// The line.
        line: i64,
    },
    /// It was kept by a version that keeps what this one does not know, or it was changed by hand.
    #[error("line {line} of its history cannot be read: {reason}. Was it kept by a newer version of Drover?")]
    Unreadable {
        /// The line.
        line: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// There is none.
    #[error("it has no history")]
    Empty,
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// Inputs that were folded again.
    pub inputs: u64,
    /// Jobs that were compared.
    pub jobs: u64,
    /// How many of them have not ended: of those that a worker holds, the reports since are not kept and not compared.
    pub unfinished: u64,
    /// What differs, as far as it is listed.
    pub differences: Vec<Difference>,
    /// How many more differences there are.
    pub more: u64,
}

/// A tree on its way from the history.
#[derive(Debug)]
pub struct Replay {
    root: NewJob,
    memory: Memory,
    /// By hash; whole documents.
    definitions: HashMap<String, Arc<Definition>>,
    /// The lines of a fold of which there may be more.
    pending: Vec<Line>,
    inputs: u64,
    /// The history does not lead on.
    stuck: bool,
    last_at: DateTime<Utc>,
    differences: Differences,
    compared: BTreeSet<JobId>,
    unfinished: u64,
}

impl Replay {
    /// Begins with a root as it was submitted; `run_at` stands in its history. `within`: whose differences count, with those
    /// of all jobs below it.
    #[must_use]
    pub fn new(root: NewJob, within: JobId) -> Self {
        let differences = Differences::new(root.id, within);
        Self {
            root,
            memory: Memory::default(),
            definitions: HashMap::new(),
            pending: Vec::new(),
            inputs: 0,
            stuck: false,
            last_at: DateTime::UNIX_EPOCH,
            differences,
            compared: BTreeSet::new(),
            unfinished: 0,
        }
    }

    /// How many jobs it has made so far.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.memory.rows.len()
    }

    /// Which of the definitions that these lines refer to are not known yet.
    #[must_use]
    pub fn unknown<'a>(&self, lines: &'a [Line]) -> BTreeSet<&'a str> {
        lines.iter().flat_map(Line::hashes).filter(|hash| !self.definitions.contains_key(*hash)).collect()
    }

    /// Makes a definition known.
    pub fn learn(&mut self, definition: Arc<Definition>) {
        self.definitions.insert(definition.hash.clone(), definition);
    }

    /// Folds the next lines. The last fold among them may go on in the next lines: it waits for them.
    ///
    /// # Errors
    /// When the lines do not have what a replay needs.
    pub fn read(&mut self, lines: Vec<Line>) -> Result<(), ReplayError> {
        for line in lines {
            if line.given.is_some() {
                self.fold_pending()?;
            } else if self.pending.first().is_none_or(|first| first.at != line.at) {
                return Err(ReplayError::TooOld { line: line.id });
            }
            self.pending.push(line);
        }
        Ok(())
    }

    /// Folds what waits, since there are no more lines, and takes from the rows of unfinished jobs what workers have reported
    /// under leases that last.
    ///
    /// # Errors
    /// As [`Self::read`]; when there were no lines at all.
    pub fn catch_up(&mut self, unfinished: &[Job]) -> Result<(), ReplayError> {
        self.fold_pending()?;
        if self.memory.rows.is_empty() && !self.stuck {
            return Err(ReplayError::Empty);
        }
        let leased = |job: &&Job| match self.memory.rows.get(&job.id) {
            Some(row) => job.lease.is_some() && row.job.lease == job.lease && row.job.dispatch == job.dispatch,
            None => false,
        };
        let leased: Vec<&Job> = unfinished.iter().filter(leased).collect();
        let tree = self.memory.tree_of(leased.iter().map(|job| job.id), false);
        let (mut fate, given) = (Fate::default(), Given::default());
        let catalog = given.catalog(&self.definitions);
        let mut fold = Fold::new(tree, self.last_at, &mut fate, &catalog, given.limits());
        for job in leased {
            again::report(&mut fold, job.id, crate::fold::report_of(job));
        }
        let done = self.memory.settle(&mut fold).and_then(|_| self.memory.save(&fold.tree));
        if let Err(error) = done {
            self.differences.tell(self.root.id, "progress", Value::Null, error.to_string().into());
        }
        Ok(())
    }

    /// What differs. Call it when every row of the tree was compared.
    #[must_use]
    pub fn finish(mut self) -> Replayed {
        for row in self.memory.rows.values().filter(|row| !self.compared.contains(&row.job.id)) {
            let rebuilt = compare::brief(&row.job);
            self.differences.push(row.job.id, "job", Value::Null, rebuilt, &self.memory);
        }
        let (differences, more) = self.differences.listed();
        let jobs = u64::try_from(self.compared.len()).unwrap_or(u64::MAX);
        Replayed { inputs: self.inputs, jobs, unfinished: self.unfinished, differences, more }
    }

    fn fold_pending(&mut self) -> Result<(), ReplayError> {
        let lines = std::mem::take(&mut self.pending);
        let Some(first) = lines.first().filter(|_| !self.stuck) else { return Ok(()) };
        let (at, line) = (first.at, first.id);
        self.last_at = at;
        match self.fold(at, &lines)? {
            Ok(records) => self.compare_lines(&lines, &records),
            Err(error) => {
                self.stuck = true;
                let field = format!("history.{line}");
                self.differences.tell(self.root.id, &field, Value::Null, error.to_string().into());
            }
        }
        Ok(())
    }

    /// Folds the inputs of one fold again. What they led to; the inner error: it is not to be done with the rebuilt rows.
    fn fold(&mut self, at: DateTime<Utc>, lines: &[Line]) -> Result<Result<Vec<Record>, MemoryError>, ReplayError> {
        let mut inputs = Vec::new();
        for line in lines {
            let Some(name) = &line.input else { continue };
            let unreadable =
                |error: serde_json::Error| ReplayError::Unreadable { line: line.id, reason: error.to_string() };
            let kept = Kept::read(name, &line.detail).map_err(unreadable)?;
            let reported = Reported::read(&line.detail).map_err(unreadable)?;
            inputs.push((line, kept, reported));
        }
        if inputs.is_empty() || self.memory.rows.is_empty() && !matches!(inputs[0].1, Kept::Created { .. }) {
            return Err(ReplayError::TooOld { line: lines.first().map_or(0, |line| line.id) });
        }
        let given = lines.first().and_then(|line| line.given.clone()).unwrap_or_default();
        let catalog = given.catalog(&self.definitions);
        let mut fate = Fate::of(lines, |id| self.memory.rows.contains_key(&id));
        let mut fold = Fold::new(self.tree_for(&inputs), at, &mut fate, &catalog, given.limits());
        for (line, kept, reported) in inputs {
            self.inputs += 1;
            if let Kept::Created { run_at } = kept {
                fold.create(NewJob { run_at, ..self.root.clone() });
                continue;
            }
            let outcome = again::apply(&mut fold, line, kept, reported);
            if outcome != Outcome::Applied {
                let (field, rebuilt) = (format!("history.{}", line.id), format!("{outcome:?}"));
                self.differences.push(line.job_id, &field, "Applied".into(), rebuilt.into(), &self.memory);
            }
        }
        let effects = match self.memory.settle(&mut fold) {
            Ok(effects) => effects,
            Err(error) => return Ok(Err(error)),
        };
        let record = |effect| match effect {
            Command::Record(record) => Some(record),
            _ => None,
        };
        let mut records: Vec<Record> = effects.into_iter().filter_map(record).collect();
        record::note_given(&mut records, fold.given());
        let tree = std::mem::take(&mut fold.tree);
        Ok(self.memory.save(&tree).map(|()| records))
    }

    /// The jobs that these inputs need.
    fn tree_for(&self, inputs: &[(&Line, Kept, Reported)]) -> crate::Tree {
        let needs_descendants = |(line, kept, _): &(&Line, Kept, Reported)| {
            let job = self.memory.rows.get(&line.job_id).map(|row| &row.job);
            job.and_then(|job| again::input(job, line, kept.clone())).is_some_and(|input| input.needs_descendants())
        };
        let below = inputs.iter().flat_map(|(_, _, reported)| reported.reported_below.keys().copied());
        let jobs = inputs.iter().map(|(line, _, _)| line.job_id).chain(below);
        self.memory.tree_of(jobs, inputs.iter().any(needs_descendants))
    }
}
