//! The one table of a job's life: which status follows when what happens. Database, API and state chart restate it.

use drover_protocol::JobStatus;
use serde::{Deserialize, Serialize};

/// What can happen to a job, be it a worker's or a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A worker (for a workflow: the orchestrator) took it up.
    Start,
    /// It reported how far it is.
    Progress,
    /// It did all.
    Complete,
    /// It did part.
    CompleteWithErrors,
    /// It failed for good.
    Fail,
    /// It failed, and its retry policy allows another attempt.
    FailAndRetry,
    /// Its worker gave it back.
    Release,
    /// Its worker was lost.
    Lose,
    /// Somebody asked for its end.
    Cancel,
    /// Somebody asked that nothing of it be begun.
    Pause,
    /// Somebody asked that it go on.
    Resume,
    /// It stopped because it was asked to, or is known never to start.
    Stop,
    /// A user retries it.
    Retry,
    /// A user retries the workflow above it from a point that lies before it.
    Restart,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: &[Self] = &[
        Self::Start,
        Self::Progress,
        Self::Complete,
        Self::CompleteWithErrors,
        Self::Fail,
        Self::FailAndRetry,
        Self::Release,
        Self::Lose,
        Self::Cancel,
        Self::Pause,
        Self::Resume,
        Self::Stop,
        Self::Retry,
        Self::Restart,
    ];
}

/// What a trigger does to a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The status changes.
    To(JobStatus),
    /// The status stays; the trigger's data counts.
    Stay,
    /// Nothing changes: a repeat, or too late.
    Ignore,
    /// It makes no sense: the caller is told.
    Illegal,
}

/// The table.
#[must_use]
pub const fn next(status: JobStatus, trigger: Trigger) -> Next {
    use JobStatus as S;
    use Next::{Ignore, Illegal, Stay, To};
    use Trigger as T;

    match (status, trigger) {
        // Waiting. Events of one dispatch may come in any order, so an end may be folded before the start.
        (S::Pending, T::Start | T::Progress) => To(S::Running),
        (S::Pending, T::FailAndRetry | T::Release | T::Lose) => Stay,

        // At work.
        (S::Running, T::Start | T::Progress) => Stay,
        (S::Running, T::FailAndRetry | T::Release | T::Lose) => To(S::Pending),

        // Both: an end is an end.
        (S::Pending | S::Running, T::Complete) => To(S::Completed),
        (S::Pending | S::Running, T::CompleteWithErrors) => To(S::CompletedWithErrors),
        (S::Pending | S::Running, T::Fail) => To(S::Failed),
        (S::Pending | S::Running, T::Cancel) => To(S::Cancelling),
        (S::Pending | S::Running, T::Pause | T::Resume) => Stay,
        (S::Pending | S::Running, T::Stop) => To(S::Cancelled),

        // Asked to stop. What finished first is told as it was; whatever else it says is the cancel's doing.
        (S::Cancelling, T::Start | T::Progress) => Stay,
        (S::Cancelling, T::Complete) => To(S::Completed),
        (S::Cancelling, T::CompleteWithErrors) => To(S::CompletedWithErrors),
        (S::Cancelling, T::Fail | T::FailAndRetry | T::Release | T::Lose | T::Stop) => To(S::Cancelled),
        (S::Cancelling, T::Cancel | T::Resume) => Ignore,
        (S::Cancelling, T::Pause) => Illegal,

        // Ended. Only a user's retry brings it back.
        (S::CompletedWithErrors | S::Failed | S::Cancelled, T::Retry | T::Restart) | (S::Completed, T::Restart) => {
            To(S::Pending)
        }
        (S::Completed | S::CompletedWithErrors | S::Failed | S::Cancelled, T::Cancel | T::Pause | T::Resume)
        | (S::Completed, T::Retry) => Illegal,
        (S::Completed | S::CompletedWithErrors | S::Failed | S::Cancelled, _) => Ignore,

        (S::Pending | S::Running | S::Cancelling, T::Retry | T::Restart) => Illegal,
    }
}

/// The table as a state chart in Mermaid's notation, for ARCHITECTURE.md.
#[must_use]
pub fn chart() -> String {
    let mut chart = String::from("stateDiagram-v2\n    [*] --> pending\n");
    for from in JobStatus::ALL {
        for to in JobStatus::ALL {
            let triggers: Vec<String> = Trigger::ALL
                .iter()
                .filter(|trigger| next(*from, **trigger) == Next::To(*to))
                .map(|trigger| snake_case(&format!("{trigger:?}")))
                .collect();
            if !triggers.is_empty() {
                chart.push_str(&format!("    {from} --> {to}: {}\n", triggers.join(", ")));
            }
        }
    }
    for status in JobStatus::ALL.iter().filter(|status| status.is_terminal()) {
        chart.push_str(&format!("    {status} --> [*]\n"));
    }
    chart
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (index, c) in name.chars().enumerate() {
        if c.is_uppercase() && index > 0 {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_chart_is_the_table() {
        insta::assert_snapshot!(chart());
    }

    #[test]
    fn a_terminal_status_changes_only_by_retry() {
        let by_user = [Trigger::Retry, Trigger::Restart];
        for status in JobStatus::ALL.iter().filter(|status| status.is_terminal()) {
            for trigger in Trigger::ALL.iter().filter(|trigger| !by_user.contains(trigger)) {
                assert!(matches!(next(*status, *trigger), Next::Ignore | Next::Illegal), "{status} {trigger:?}");
            }
        }
    }

    #[test]
    fn fault_7_cancelling_a_finished_job_is_illegal_and_leaves_it_finished() {
        for status in JobStatus::ALL.iter().filter(|status| status.is_terminal()) {
            assert_eq!(next(*status, Trigger::Cancel), Next::Illegal);
        }
    }

    #[test]
    fn every_unfinished_status_has_a_way_to_an_end() {
        for status in JobStatus::ALL.iter().filter(|status| !status.is_terminal()) {
            assert!(
                Trigger::ALL.iter().any(|trigger| matches!(next(*status, *trigger), Next::To(to) if to.is_terminal()))
            );
        }
    }
}
