//! Times and spans, for people.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

/// A span in its two largest units: `1 h 04 min`, `3 min 07 s`, `12 s`, below a second `0.4 s`.
pub(super) fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds) {
        (1.., ..) => format!("{days} d {hours} h"),
        (_, 1.., ..) => format!("{hours} h {minutes:02} min"),
        (_, _, 1.., _) => format!("{minutes} min {:02} s", seconds % 60),
        (.., 0) => format!("0.{} s", span.subsec_millis().max(0) / 100),
        (.., seconds) => format!("{seconds} s"),
    }
}

/// How long something that began has taken. It goes on in the browser as long as it has no end.
pub(super) fn taken(started: Option<DateTime<Utc>>, finished: Option<DateTime<Utc>>) -> Markup {
    match (started, finished) {
        (None, _) => html! {},
        (Some(from), Some(to)) => html! { span { (span(to - from)) } },
        (Some(from), None) => html! { span data-since=(from.timestamp_millis()) { (span(Utc::now() - from)) } },
    }
}

/// A moment, as long ago; exactly where one points at it.
pub(super) fn ago(at: DateTime<Utc>) -> Markup {
    let span = Utc::now() - at;
    let text = match (span.num_days(), span.num_hours(), span.num_minutes(), span.num_seconds()) {
        (1.., ..) => format!("{} d ago", span.num_days()),
        (_, 1.., ..) => format!("{} h ago", span.num_hours()),
        (_, _, 1.., _) => format!("{} min ago", span.num_minutes()),
        (.., i64::MIN..0) => format!("in {}", self::span(-span)),
        (.., seconds) => format!("{seconds} s ago"),
    };
    html! { time datetime=(at.to_rfc3339()) title=(exact(at)) { (text) } }
}

/// A moment to the second.
pub(super) fn exact(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The time of day to the millisecond; exactly where one points at it.
pub(super) fn clock(at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.to_rfc3339()) title=(exact(at)) { (at.format("%H:%M:%S%.3f")) } }
}

/// What is left, guessed from the bar; none while it says too little.
pub(super) fn remaining(started: Option<DateTime<Utc>>, percent: f64) -> Option<String> {
    let elapsed = (Utc::now() - started?).as_seconds_f64();
    guess(elapsed, percent).map(|seconds| {
        #[allow(clippy::cast_possible_truncation, reason = "bounded by the guess")]
        let seconds = seconds as i64;
        format!("about {} left", span(TimeDelta::seconds(seconds.max(1))))
    })
}

/// Seconds that are left, if the rest goes as what is done did.
fn guess(elapsed_seconds: f64, percent: f64) -> Option<f64> {
    /// Below these a guess jumps about.
    const LEAST_SECONDS: f64 = 3.0;
    const LEAST_PERCENT: f64 = 3.0;
    /// Beyond a year nobody believes it.
    const MOST_SECONDS: f64 = 365.0 * 86_400.0;
    let known = elapsed_seconds >= LEAST_SECONDS && (LEAST_PERCENT..100.0).contains(&percent);
    known.then(|| elapsed_seconds * (100.0 - percent) / percent).filter(|seconds| *seconds <= MOST_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_their_two_largest_units() {
        let cases = [
            (0, "0.0 s"),
            (400, "0.4 s"),
            (12_900, "12 s"),
            (187_000, "3 min 07 s"),
            (3_840_000, "1 h 04 min"),
            (90_000_000, "1 d 1 h"),
            (-5_000, "0.0 s"),
        ];
        for (millis, text) in cases {
            assert_eq!(span(TimeDelta::milliseconds(millis)), text);
        }
    }

    #[test]
    fn the_rest_is_guessed_only_where_the_bar_says_enough() {
        assert_eq!(guess(10.0, 50.0), Some(10.0));
        assert_eq!(guess(30.0, 75.0), Some(10.0));
        assert_eq!(guess(1.0, 50.0), None, "it has just begun");
        assert_eq!(guess(100.0, 1.0), None, "nothing is known yet");
        assert_eq!(guess(100.0, 100.0), None);
        assert_eq!(guess(1e9, 3.0), None);
    }
}
