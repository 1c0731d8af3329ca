//! Small charts, as SVG whose every number is worked out here: the policy for pages allows no inline style.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use crate::store::Ended;

/// Width of a column and of the gap to the next, and the height of the chart, in units of the drawing.
const COLUMN: usize = 8;
const GAP: usize = 2;
const HEIGHT: i64 = 72;

/// Columns over time, one for each period up to now.
pub(super) struct Columns {
    columns: Vec<Ended>,
}

impl Columns {
    /// So many periods of so many seconds that end with the one of `now`.
    pub(super) fn new(ended: &[Ended], now: DateTime<Utc>, seconds: i64, count: i64) -> Self {
        let current = now.timestamp().div_euclid(seconds);
        let columns = (0..count).map(|index| {
            let period = current - (count - 1) + index;
            let found = ended.iter().find(|ended| ended.from.timestamp().div_euclid(seconds) == period);
            let from = DateTime::UNIX_EPOCH + TimeDelta::seconds(period * seconds);
            found.copied().unwrap_or(Ended { from, ..Ended::default() })
        });
        Self { columns: columns.collect() }
    }

    /// A chart of one of the counts.
    pub(super) fn draw(&self, title: &str, class: &str, count: impl Fn(&Ended) -> i64) -> Markup {
        let counts: Vec<i64> = self.columns.iter().map(count).collect();
        let (sum, most) = (counts.iter().sum::<i64>(), counts.iter().copied().max().unwrap_or(0));
        let width = counts.len() * (COLUMN + GAP);
        html! {
            figure.chart {
                figcaption { span { (title) } strong { (sum) } }
                svg viewBox={ "0 0 " (width) " " (HEIGHT + 2) } preserveAspectRatio="none" role="img"
                    aria-label={ (title) ": " (sum) " in the last hour, at most " (most) " in a minute" } {
                    line.axis x1="0" y1=(HEIGHT + 1) x2=(width) y2=(HEIGHT + 1) {}
                    @for (index, (column, count)) in self.columns.iter().zip(&counts).enumerate() {
                        @let height = height(*count, most);
                        @if height > 0 {
                            rect class=(class) x=(index * (COLUMN + GAP)) y=(HEIGHT - height) width=(COLUMN) height=(height) {
                                title { (column.from.format("%H:%M")) " UTC: " (count) }
                            }
                        }
                    }
                }
                div.range { span { "1 h ago" } span { "most: " (most) " a minute" } span { "now" } }
            }
        }
    }
}

/// A column is seen even where it is one of a million.
fn height(count: i64, most: i64) -> i64 {
    if count <= 0 { 0 } else { (count.saturating_mul(HEIGHT) / most.max(1)).clamp(2, HEIGHT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_period_has_its_column_and_the_last_one_is_now() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(6_030);
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let ended = [
            Ended { from: at(5_940), completed: 3, ..Ended::default() },
            Ended { from: at(6_000), completed: 1, ..Ended::default() },
        ];
        let columns = Columns::new(&ended, now, 60, 4).columns;
        assert_eq!(columns.iter().map(|column| column.completed).collect::<Vec<_>>(), [0, 0, 3, 1]);
        assert_eq!(columns[0].from, at(5_820));
    }

    #[test]
    fn what_happened_is_seen_and_what_did_not_is_not() {
        assert_eq!((height(0, 10), height(1, 1_000_000), height(10, 10)), (0, 2, HEIGHT));
    }
}
