//! What a handler does: a short script, drawn when it is called.

use std::collections::{BTreeMap, VecDeque};

use drover_protocol::{JobError, JobEventKind, ProgressReport};
use serde_json::{Value, json};

use crate::{Millis, rng::Rng};

/// One thing that a handler does.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Progress(u32),
    /// Sends a chunk of its list, and waits until the broker has it.
    Items(Vec<Value>),
    End(End),
    /// Takes its whole process with it.
    KillWorker,
}

/// How a handler returns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Done,
    DoneWithErrors,
    FailedOnce,
    Failed,
    /// It decides by itself to count as cancelled.
    Cancelled,
}

/// A handler's deeds, each with the time that it takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(pub(crate) VecDeque<(Millis, Deed)>);

impl Script {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut deeds = VecDeque::new();
        let slow = match rng.below(20) {
            0 => 9_000,
            1..5 => 1_500,
            _ => 60,
        };
        let mut percent = 0;
        for _ in 0..rng.below(4) {
            let pause = rng.between(1, slow);
            if rng.one_in(3) {
                let values = (0..rng.between(1, 3)).map(|_| Value::from(rng.below(1_000))).collect();
                deeds.push_back((pause, Deed::Items(values)));
            } else {
                percent += u32::try_from(rng.below(40)).unwrap_or(0);
                deeds.push_back((pause, Deed::Progress(percent.min(100))));
            }
        }
        let end = match rng.below(40) {
            0..28 => Deed::End(End::Done),
            28..31 => Deed::End(End::DoneWithErrors),
            31..36 => Deed::End(End::FailedOnce),
            36 | 37 => Deed::End(End::Failed),
            38 => Deed::End(End::Cancelled),
            _ => Deed::KillWorker,
        };
        deeds.push_back((rng.between(1, slow), end));
        Self(deeds)
    }
}

/// A handler's report of how far it is.
pub(crate) fn report(percent: u32) -> ProgressReport {
    ProgressReport {
        percent: Some(f64::from(percent)),
        message: Some(format!("{percent} of 100")),
        ..ProgressReport::default()
    }
}

/// The event of an end. `list`: how many values it sent; `call`: which call of a handler it was.
pub(crate) fn event(end: End, call: usize, list: usize, progress: Option<ProgressReport>) -> JobEventKind {
    let inline: Vec<usize> = (0..call % 4).collect();
    let result = json!({ "call": call, "n": 1, "list": inline, "flag": call.is_multiple_of(7) });
    let items = lists(list);
    match end {
        End::Done => JobEventKind::Completed { result, warnings: Vec::new(), items, progress },
        End::DoneWithErrors => {
            let errors = vec![JobError::permanent("row", "a row was bad")];
            JobEventKind::CompletedWithErrors { result, errors, items, progress }
        }
        End::FailedOnce => failed(JobError::retryable("io", "the disk hiccuped"), list, progress),
        End::Failed => failed(JobError::permanent("format", "it is no archive"), list, progress),
        End::Cancelled => JobEventKind::Cancelled { result: None, items, progress },
    }
}

pub(crate) fn failed(error: JobError, list: usize, progress: Option<ProgressReport>) -> JobEventKind {
    JobEventKind::Failed { error, result: None, items: lists(list), progress }
}

/// How many values of its list a handler sent, as an end says it.
pub(crate) fn lists(list: usize) -> BTreeMap<String, u64> {
    match u64::try_from(list) {
        Ok(count) if count > 0 => [("list".to_owned(), count)].into(),
        _ => BTreeMap::new(),
    }
}
