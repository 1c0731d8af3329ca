//! The judgement: every tree against the ledger, and what users and watchers saw.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use anyhow::ensure;
use drover_tests::ledger::{self, Deed, Ledger};
use reqwest::{Method, StatusCode};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    api::Insisted,
    evidence::{self, Tree},
    settings::REST,
    story,
    strike::Struck,
    users::Desk,
    verdict::{Case, Found, Violation, Wrong},
};

/// Roots that are read together.
const PAGE: usize = 100;
/// Violations that are told at length; all are counted.
const TOLD: usize = 8;

/// What is judged by.
pub(crate) struct Judge<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) client: &'a Client,
    pub(crate) folder: &'a Path,
    pub(crate) struck: &'a [Struck],
    pub(crate) start_ns: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) violations: Vec<Violation>,
    pub(crate) double_effects: u64,
    pub(crate) after_abandoned: u64,
    pub(crate) after_lost: u64,
    pub(crate) late_copies: u64,
    /// Rows of every kind, and calls of handlers.
    pub(crate) rows: usize,
    pub(crate) calls: usize,
    /// How many trees were folded again; `None`: these orchestrators cannot.
    pub(crate) replayed: Option<u64>,
}

impl Judge<'_> {
    pub(crate) async fn judge(&self) -> anyhow::Result<Judged> {
        let ledger = ledger::read(&self.folder.join("ledger"))?;
        let calls = ledger.values().flatten().filter(|line| line.deed == Deed::Begin).count();
        let mut judged = Judged { calls, ..Judged::default() };
        let roots = evidence::roots(self.client).await?;
        self.check_accepted(&roots, &mut judged);
        let mut keys = HashMap::new();
        let mut jobs = HashSet::new();
        for page in roots.chunks(PAGE) {
            for tree in evidence::trees(self.client, page).await? {
                judged.rows += tree.rows.len();
                jobs.extend(tree.rows.iter().map(|row| row.id));
                self.check_tree(&tree, &ledger, &mut keys, &mut judged).await?;
            }
        }
        for job in ledger.keys().filter(|job| !jobs.contains(job)) {
            let said = "a handler ran, and there is no such job".to_owned();
            judged.violations.push(Violation { wrong: Wrong::Untrue, root: *job, job: *job, said });
        }
        for violation in judged.violations.iter().skip(TOLD) {
            eprintln!("{:?}: {} (job {} of root {})", violation.wrong, violation.said, violation.job, violation.root);
        }
        Ok(judged)
    }

    /// What was accepted is there, and ended as its user saw it.
    fn check_accepted(&self, roots: &[Uuid], judged: &mut Judged) {
        let roots: HashSet<&Uuid> = roots.iter().collect();
        let known = self.desk.watch.known();
        let mut add = |wrong, job: Uuid, said: String| {
            judged.violations.push(Violation { wrong, root: job, job, said });
        };
        for (job, key) in known.accepted.iter().filter(|(job, _)| !roots.contains(job)) {
            add(Wrong::Lost, *job, format!("{key} was accepted, and there is no such job"));
        }
        for job in &known.missing {
            add(Wrong::Lost, *job, "it was accepted, and the API did not know it".into());
        }
        for (job, again) in &known.duplicates {
            add(Wrong::Duplicate, *job, format!("its submission, sent again, was answered with {again}"));
        }
        for regression in &known.bars.regressions {
            add(Wrong::Regression, regression.job, regression.said.clone());
        }
    }

    async fn check_tree(
        &self,
        tree: &Tree,
        ledger: &Ledger,
        keys: &mut HashMap<String, Uuid>,
        judged: &mut Judged,
    ) -> anyhow::Result<()> {
        let mut found = Case { tree, ledger, struck: self.struck }.judge();
        if let Some(first) = tree.key.clone().and_then(|key| keys.insert(key, tree.root)) {
            found.add(Wrong::Duplicate, tree.root, tree.root, format!("its key had made {first}"));
        }
        self.check_replay(tree, &mut found, judged).await?;
        let shown = judged.violations.len()..TOLD;
        for (violation, _) in found.violations.iter().zip(shown) {
            eprintln!("\n{}", story::tell(violation, tree, ledger, self.struck, self.start_ns));
        }
        judged.violations.extend(found.violations);
        judged.double_effects += found.double_effects;
        judged.after_abandoned += found.after_abandoned;
        judged.after_lost += found.after_lost;
        judged.late_copies += found.late_copies;
        Ok(())
    }

    /// The history, folded again, gives the rows that there are.
    async fn check_replay(&self, tree: &Tree, found: &mut Found, judged: &mut Judged) -> anyhow::Result<()> {
        let path = format!("/api/v1/jobs/{}/replay", tree.root);
        let Insisted { status, answer, .. } = self.desk.api.insist(Method::GET, &path, None, REST).await?;
        // An orchestrator that has no such address cannot do it.
        if status == StatusCode::NOT_FOUND && answer["detail"].as_str().is_some_and(|text| text.contains("address")) {
            return Ok(());
        }
        ensure!(status.is_success(), "{path}: {status} {answer}");
        *judged.replayed.get_or_insert(0) += 1;
        let differences = answer["differences"].as_array().map_or(&[][..], Vec::as_slice);
        if let Some(first) = differences.first() {
            let said = format!("{} differences when folded again, the first: {first}", differences.len());
            found.add(Wrong::Replay, tree.root, tree.root, said);
        }
        Ok(())
    }
}
