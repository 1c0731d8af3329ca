//! Progress in hundredths of a percent. Integers, so that a mean does not depend on the order in which its parts came.

use drover_protocol::ProgressReport;
use serde::{Deserialize, Serialize};

/// How far something is, from 0 to 10,000 hundredths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Progress(i32);

impl Progress {
    /// Nothing is done.
    pub const ZERO: Self = Self(0);
    /// All is done. Only `completed` and `completed_with_errors` show it.
    pub const FULL: Self = Self(10_000);
    /// The most that anything unfinished, failed or cancelled shows.
    pub const ALMOST: Self = Self(9_999);

    /// From hundredths of a percent, brought into range.
    #[must_use]
    pub fn from_hundredths(hundredths: i64) -> Self {
        Self(i32::try_from(hundredths.clamp(0, 10_000)).unwrap_or(0))
    }

    /// Hundredths of a percent.
    #[must_use]
    pub const fn hundredths(self) -> i32 {
        self.0
    }

    /// Percent, 0 to 100.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// What a worker reported: its percent, or else `processed` of `total`. Never 100 before the end.
    #[must_use]
    pub fn reported(report: &ProgressReport, processed: Option<u64>, total: Option<u64>) -> Option<Self> {
        let hundredths = match (report.percent, processed, total) {
            (Some(percent), _, _) if percent.is_finite() => round(percent * 100.0),
            (None, Some(processed), Some(total)) if total > 0 => {
                i64::try_from(u128::from(processed) * 10_000 / u128::from(total)).unwrap_or(10_000)
            }
            _ => return None,
        };
        Some(Self::from_hundredths(hundredths).min(Self::ALMOST))
    }

    /// The mean of `count` parts whose hundredths sum up to `sum`, to the nearest hundredth.
    #[must_use]
    pub fn mean(sum: i64, count: u32) -> Self {
        let count = i64::from(count);
        if count == 0 { Self::ZERO } else { Self::from_hundredths((sum + count / 2) / count) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float outside i64 saturates, and is clamped after")]
fn round(value: f64) -> i64 {
    value.round() as i64
}

/// The part of the bar that step `index` owns: (start, end), by the steps' weights. Ends meet exactly: the last is 10,000.
#[must_use]
pub fn span(weights: &[u32], index: usize) -> (Progress, Progress) {
    let total: u64 = weights.iter().copied().map(u64::from).sum();
    let before: u64 = weights.iter().take(index).copied().map(u64::from).sum();
    let own: u64 = weights.get(index).copied().map_or(0, u64::from);
    let at = |weight: u64| {
        let hundredths = (weight * 10_000).checked_div(total).unwrap_or(0);
        Progress::from_hundredths(i64::try_from(hundredths).unwrap_or(10_000))
    };
    (at(before), at(before + own))
}

/// Where the bar stands when the step that owns `span` is at `inside`.
#[must_use]
pub fn within(span: (Progress, Progress), inside: Progress) -> Progress {
    let width = i64::from(span.1.0 - span.0.0);
    Progress::from_hundredths(i64::from(span.0.0) + (width * i64::from(inside.0) + 5_000) / 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spans_of_data_import_are_0_20_60_90_100() {
        let weights = [20, 40, 30, 10];
        let ends: Vec<f64> = (0..4).map(|index| span(&weights, index).1.percent()).collect();
        assert_eq!(ends, [20.0, 60.0, 90.0, 100.0]);
        assert_eq!(span(&weights, 0).0, Progress::ZERO);
        assert_eq!(within(span(&weights, 1), Progress::from_hundredths(5_000)).percent(), 40.0);
        assert_eq!(within(span(&weights, 1), Progress::mean(5_000, 6)).percent(), 23.33);
        assert_eq!(within(span(&weights, 1), Progress::FULL), span(&weights, 1).1);
    }

    #[test]
    fn a_report_never_shows_100_and_needs_a_total() {
        let percent = |percent| ProgressReport { percent: Some(percent), ..ProgressReport::default() };
        let none = ProgressReport::default();
        assert_eq!(Progress::reported(&percent(100.0), None, None), Some(Progress::ALMOST));
        assert_eq!(Progress::reported(&percent(12.345), None, None), Some(Progress::from_hundredths(1_235)));
        assert_eq!(Progress::reported(&none, Some(1), Some(3)), Some(Progress::from_hundredths(3_333)));
        assert_eq!(Progress::reported(&none, Some(1), Some(0)), None);
        assert_eq!(Progress::reported(&none, Some(5), None), None);
    }

    #[test]
    fn no_weights_and_no_parts_are_no_division_by_zero() {
        assert_eq!(span(&[0, 0], 1), (Progress::ZERO, Progress::ZERO));
        assert_eq!(Progress::mean(100, 0), Progress::ZERO);
    }
}
