//! What the ledger and the rows of a tree say together. Pure: a doctored ledger must be noticed, and a test shows that it is.

mod doubles;
mod ends;
mod explain;
mod late;
#[cfg(test)]
mod tests;

use drover_tests::ledger::{Ledger, Line};
use uuid::Uuid;

use crate::{
    bars::is_terminal,
    evidence::{Happened, Row, Tree},
    strike::Struck,
};

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// Accepted, and not there.
    Lost,
    /// It has not ended in time.
    Stuck,
    /// A handler began, or did its effect, after the cancel of its job had settled.
    Late,
    /// A bar went back, or an end changed.
    Regression,
    /// The history, folded again, gives other rows.
    Replay,
    /// Something was done twice, and no fault explains it.
    Double,
    /// The rows say what the ledger does not.
    Untrue,
    /// One key made two jobs.
    Duplicate,
}

/// Something wrong about a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation {
    pub(crate) wrong: Wrong,
    pub(crate) root: Uuid,
    pub(crate) job: Uuid,
    pub(crate) said: String,
}

/// What was found in a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    pub(crate) violations: Vec<Violation>,
    /// Effects of one run of a job beyond the first, explained or not.
    pub(crate) double_effects: u64,
    /// Begins and effects after a job was written off by name, since nobody waits for those.
    pub(crate) after_abandoned: u64,
    /// Effects, after the cancel settled, of a handler on a worker that was lost.
    pub(crate) after_lost: u64,
    /// Begins and effects of a second copy of a message whose first was begun before the cancel: it settles by the word of
    /// who ran that.
    pub(crate) late_copies: u64,
}

/// A tree with what its handlers wrote down.
pub(crate) struct Case<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) ledger: &'a Ledger,
    pub(crate) struck: &'a [Struck],
}

impl Case<'_> {
    /// Judges the tree.
    pub(crate) fn judge(&self) -> Found {
        let mut found = Found::default();
        if let Some(leaf) = self.unfinished_leaf() {
            found.add(Wrong::Stuck, self.tree.root, leaf.id, format!("it is {}", leaf.status));
        }
        for row in self.tree.rows.iter().filter(|row| is_terminal(&row.status)) {
            self.check_history(row, &mut found);
            match &row.workflow {
                Some(state) => self.check_counters(row, state, &mut found),
                None => self.check_worker_job(row, &mut found),
            }
        }
        found
    }

    fn check_worker_job(&self, row: &Row, found: &mut Found) {
        self.check_end(row, found);
        self.check_cancels(row, found);
        self.check_doubles(row, found);
    }

    fn lines(&self, row: &Row) -> &[Line] {
        self.ledger.get(&row.id).map_or(&[], Vec::as_slice)
    }

    fn history<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a Happened> + 'a {
        self.tree.history.iter().filter(|happened| happened.job == row.id)
    }

    /// The run that a dispatch belongs to: each retry and each round ends one.
    fn run_of(&self, row: &Row, dispatch: u32) -> usize {
        let again = |happened: &&Happened| matches!(happened.kind.as_str(), "retried" | "repeated");
        self.history(row).filter(again).filter(|happened| happened.dispatch < dispatch).count()
    }

    /// What everything above it waits for.
    fn unfinished_leaf(&self) -> Option<&Row> {
        let open = || self.tree.rows.iter().filter(|row| !is_terminal(&row.status));
        open().find(|row| open().all(|other| other.parent != Some(row.id)))
    }

    fn untrue(&self, row: &Row, said: String, found: &mut Found) {
        found.add(Wrong::Untrue, self.tree.root, row.id, said);
    }
}

impl Found {
    pub(crate) fn add(&mut self, wrong: Wrong, root: Uuid, job: Uuid, said: String) {
        self.violations.push(Violation { wrong, root, job, said });
    }
}

/// How many are wrong in this way.
pub(crate) fn count(violations: &[Violation], wrong: Wrong) -> usize {
    violations.iter().filter(|violation| violation.wrong == wrong).count()
}
