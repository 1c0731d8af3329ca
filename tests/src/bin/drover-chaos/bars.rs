//! Whether a bar ever goes back while somebody looks.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

/// What is seen of a job at one look, asked for at `asked_ns` and answered at `answered_ns`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Look {
    pub(crate) job: Uuid,
    pub(crate) asked_ns: u64,
    pub(crate) answered_ns: u64,
    pub(crate) status: String,
    pub(crate) percent: f64,
    /// The step that it is at.
    pub(crate) step: Option<u64>,
    /// The bar of each step.
    pub(crate) steps: Vec<f64>,
}

/// A bar that went back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Regression {
    pub(crate) job: Uuid,
    pub(crate) at_ns: u64,
    pub(crate) said: String,
}

/// What was seen last of each job, and when users retried it.
#[derive(Default)]
pub(crate) struct Bars {
    last: HashMap<Uuid, Look>,
    levels: HashMap<Uuid, Level>,
    /// From when to when a retry of the job may have been done.
    retries: HashMap<Uuid, Vec<(u64, u64)>>,
    pub(crate) regressions: Vec<Regression>,
}

impl Look {
    /// A look at a job as the API shows it.
    pub(crate) fn at(view: &Value, asked_ns: u64, answered_ns: u64) -> Option<Self> {
        let metadata = &view["metadata"];
        let bar = |step: &Value| step["progress"].as_f64().unwrap_or(0.0);
        Some(Self {
            job: view["id"].as_str()?.parse().ok()?,
            asked_ns,
            answered_ns,
            status: view["status"].as_str()?.to_owned(),
            percent: view["progress"].as_f64()?,
            step: metadata["current_step"].as_u64(),
            steps: metadata["steps"].as_array().map(|steps| steps.iter().map(bar).collect()).unwrap_or_default(),
        })
    }

    pub(crate) fn is_terminal(&self) -> bool {
        is_terminal(&self.status)
    }
}

/// A row as the database has it: of these the run is known, so no retry needs to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) job: Uuid,
    pub(crate) run: i32,
    pub(crate) dispatch: i32,
    /// Hundredths of a percent.
    pub(crate) progress: i32,
}

/// Whether a job of this status has ended.
pub(crate) fn is_terminal(status: &str) -> bool {
    matches!(status, "completed" | "completed_with_errors" | "failed" | "cancelled")
}

impl Bars {
    /// A user retries the job: from now on its bar may begin anew.
    pub(crate) fn retry_sent(&mut self, job: Uuid, at_ns: u64) {
        self.retries.entry(job).or_default().push((at_ns, u64::MAX));
    }

    /// The retry was answered: it was done by now, or not at all.
    pub(crate) fn retry_answered(&mut self, job: Uuid, at_ns: u64) {
        if let Some(last) = self.retries.get_mut(&job).and_then(|retries| retries.last_mut()) {
            last.1 = at_ns;
        }
    }

    /// Takes a look. Looks at one job come one after the other.
    pub(crate) fn see(&mut self, look: Look) {
        if let Some(before) = self.last.get(&look.job)
            && !self.retried_between(before, &look)
        {
            let said = went_back(before, &look);
            self.regressions.extend(said.map(|said| Regression { job: look.job, at_ns: look.answered_ns, said }));
        }
        self.last.insert(look.job, look);
    }

    /// Takes a look at a row, be it of a sub-job.
    pub(crate) fn see_row(&mut self, now: Level, at_ns: u64) {
        let Some(before) = self.levels.insert(now.job, now) else { return };
        let said = if now.run < before.run || now.dispatch < before.dispatch {
            format!("its row went from {before:?} to {now:?}")
        } else if now.run == before.run && now.progress < before.progress {
            format!("its bar went from {} to {} of 10000 in run {}", before.progress, now.progress, now.run)
        } else {
            return;
        };
        self.regressions.push(Regression { job: now.job, at_ns, said });
    }

    fn retried_between(&self, before: &Look, now: &Look) -> bool {
        let retries = self.retries.get(&now.job).into_iter().flatten();
        retries.into_iter().any(|(sent, done)| *sent <= now.answered_ns && *done >= before.asked_ns)
    }
}

/// What went back, if anything did.
fn went_back(before: &Look, now: &Look) -> Option<String> {
    if before.is_terminal() && before.status != now.status {
        return Some(format!("it was {}, and became {}", before.status, now.status));
    }
    if now.percent < before.percent {
        return Some(format!("its bar went from {} to {}", before.percent, now.percent));
    }
    if (now.percent >= 100.0) != matches!(now.status.as_str(), "completed" | "completed_with_errors") {
        return Some(format!("it is {}, and its bar shows {}", now.status, now.percent));
    }
    if now.step < before.step {
        return Some(format!("it was at step {:?}, and is at {:?}", before.step, now.step));
    }
    let back = before.steps.iter().zip(&now.steps).position(|(before, now)| now < before)?;
    Some(format!("the bar of step {back} went from {} to {}", before.steps[back], now.steps[back]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at_ns: u64, status: &str, percent: f64) -> Look {
        let job = Uuid::from_u128(1);
        Look { job, asked_ns: at_ns, answered_ns: at_ns + 5, status: status.into(), percent, step: None, steps: vec![] }
    }

    fn seen(looks: Vec<Look>) -> Vec<String> {
        let mut bars = Bars::default();
        looks.into_iter().for_each(|look| bars.see(look));
        bars.regressions.into_iter().map(|regression| regression.said).collect()
    }

    #[test]
    fn a_bar_that_rises_is_well_and_one_that_falls_is_noticed() {
        let rising = [look(10, "pending", 0.0), look(20, "running", 40.0), look(30, "completed", 100.0)];
        assert_eq!(seen(rising.to_vec()), Vec::<String>::new());
        let falling = [look(10, "running", 40.0), look(20, "running", 35.0), look(30, "running", 36.0)];
        assert_eq!(seen(falling.to_vec()), ["its bar went from 40 to 35"]);
    }

    #[test]
    fn a_step_that_goes_back_and_a_full_bar_before_the_end_are_noticed() {
        let mut first = Look { step: Some(4), steps: vec![100.0, 20.0], ..look(10, "running", 50.0) };
        let back = Look { step: Some(1), ..look(20, "running", 50.0) };
        assert_eq!(seen(vec![first.clone(), back]), ["it was at step Some(4), and is at Some(1)"]);
        first.step = None;
        let bar = Look { steps: vec![100.0, 10.0], ..look(20, "running", 50.0) };
        assert_eq!(seen(vec![first.clone(), bar]), ["the bar of step 1 went from 20 to 10"]);
        let full = vec![look(10, "running", 50.0), look(20, "running", 100.0)];
        assert_eq!(seen(full), ["it is running, and its bar shows 100"]);
    }

    #[test]
    fn a_row_that_falls_within_a_run_or_goes_back_to_an_older_dispatch_is_noticed() {
        let level = |run, dispatch, progress| Level { job: Uuid::from_u128(1), run, dispatch, progress };
        let mut bars = Bars::default();
        for level in [level(0, 1, 4_000), level(0, 2, 4_000), level(1, 3, 0), level(1, 3, 500)] {
            bars.see_row(level, 1);
        }
        assert_eq!(bars.regressions, []);
        bars.see_row(level(1, 3, 499), 2);
        bars.see_row(level(1, 2, 600), 3);
        let said: Vec<&str> = bars.regressions.iter().map(|regression| regression.said.as_str()).collect();
        assert_eq!(said[0], "its bar went from 500 to 499 of 10000 in run 1");
        assert!(said.len() == 2 && said[1].contains("dispatch: 2"), "{said:?}");
    }

    #[test]
    fn an_end_that_changes_is_noticed_unless_a_user_retried_it() {
        let looks = [look(10, "failed", 40.0), look(30, "running", 0.0)];
        assert_eq!(seen(looks.to_vec()), ["it was failed, and became running"]);
        let mut bars = Bars::default();
        bars.see(looks[0].clone());
        bars.retry_sent(looks[0].job, 20);
        bars.see(looks[1].clone());
        bars.retry_answered(looks[0].job, 32);
        bars.see(look(40, "running", 10.0));
        bars.see(look(50, "running", 5.0));
        let said: Vec<&str> = bars.regressions.iter().map(|regression| regression.said.as_str()).collect();
        assert_eq!(said, ["its bar went from 10 to 5"], "only what was no retry's doing");
    }
}
