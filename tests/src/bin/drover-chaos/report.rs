//! What a run ends with.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    judge::Judged,
    strike::{Kind, Struck},
    users::Counted,
    verdict::{Wrong, count},
};

/// All figures of a run.
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) counted: Counted,
    pub(crate) struck: Vec<Struck>,
    pub(crate) judged: Judged,
    /// From the last fault to the last end; `None`: not in time.
    pub(crate) rest: Option<Duration>,
}

impl Report {
    /// Whether all is as it should be.
    pub(crate) fn is_clean(&self) -> bool {
        self.judged.violations.is_empty() && self.counted.unserved.is_empty()
    }

    fn struck(&self, kinds: &[Kind]) -> usize {
        self.struck.iter().filter(|struck| kinds.contains(&struck.kind)).count()
    }

    fn figures(&self) -> Vec<(&'static str, Value)> {
        let judged = &self.judged;
        let roots = usize::try_from(self.counted.workflows + self.counted.jobs).unwrap_or(0);
        let wrong = |wrong| json!(count(&judged.violations, wrong));
        vec![
            ("workflows", json!(self.counted.workflows)),
            ("jobs", json!(self.counted.jobs)),
            ("sub_jobs", json!(judged.rows.saturating_sub(roots))),
            ("handler_calls", json!(judged.calls)),
            ("kills", json!(self.struck(&[Kind::Kill, Kind::ServerKill]))),
            ("stops", json!(self.struck(&[Kind::Stop]))),
            ("restarts", json!(self.struck(&[Kind::Restart]))),
            ("cuts", json!(self.struck(&[Kind::Cut]))),
            ("server_kills", json!(self.struck(&[Kind::ServerKill]))),
            ("emptied_brokers", json!(self.struck(&[Kind::EmptyBroker]))),
            ("deaths", json!(self.struck(&[Kind::Death]))),
            ("cancels", json!(self.counted.cancels)),
            ("retries", json!(self.counted.retries)),
            ("pauses", json!(self.counted.pauses)),
            ("unserved", json!(self.counted.unserved.len())),
            ("lost", wrong(Wrong::Lost)),
            ("stuck", wrong(Wrong::Stuck)),
            ("late_handlers", wrong(Wrong::Late)),
            ("late_after_abandoned", json!(judged.after_abandoned)),
            ("late_after_lost", json!(judged.after_lost)),
            ("late_copies", json!(judged.late_copies)),
            ("progress_regressions", wrong(Wrong::Regression)),
            ("replayed", json!(judged.replayed)),
            ("replay_mismatches", if judged.replayed.is_some() { wrong(Wrong::Replay) } else { Value::Null }),
            ("double_effects", json!(judged.double_effects)),
            ("double_effects_unexplained", wrong(Wrong::Double)),
            ("untrue_rows", wrong(Wrong::Untrue)),
            ("duplicates", wrong(Wrong::Duplicate)),
            ("rest_seconds", json!(self.rest.map(|rest| (rest.as_secs_f64() * 10.0).round() / 10.0))),
        ]
    }

    /// One object.
    pub(crate) fn json(&self) -> Value {
        let mut object = json!({ "seed": self.seed, "seconds": self.seconds });
        for (name, value) in self.figures() {
            object[name] = value;
        }
        object
    }

    /// A table for people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("seed {}, {} s of faults\n", self.seed, self.seconds);
        for line in self.figures().chunks(3) {
            let cell = |(name, value): &(&str, Value)| {
                let value = if value.is_null() { "-".to_owned() } else { value.to_string() };
                format!("{:<27}{value:>6}", name.replace('_', " "))
            };
            let cells: Vec<String> = line.iter().map(cell).collect();
            text.push_str(cells.join("   ").trim_end());
            text.push('\n');
        }
        text
    }
}
