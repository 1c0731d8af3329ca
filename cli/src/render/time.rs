//! Times and spans, short.

use chrono::{DateTime, Local, TimeDelta, Utc};

/// A moment, by the clock of this machine.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// As [`moment`], with milliseconds.
pub(crate) fn moment_ms(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// The time of day, by the clock of this machine.
pub(crate) fn clock(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%H:%M:%S").to_string()
}

/// How long ago, in its largest unit: `7s ago`.
pub(crate) fn ago(at: DateTime<Utc>) -> String {
    ago_at(at, Utc::now())
}

fn ago_at(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let span = now - at;
    let (days, hours, minutes) = (span.num_days(), span.num_hours(), span.num_minutes());
    match (days, hours, minutes, span.num_seconds()) {
        (1.., ..) => format!("{days}d ago"),
        (_, 1.., ..) => format!("{hours}h ago"),
        (_, _, 1.., _) => format!("{minutes}m ago"),
        // A clock that is a little behind the server's must not show the future.
        (.., seconds) => format!("{}s ago", seconds.max(0)),
    }
}

/// A span in its two largest units: `1h 04m`, `3m 07s`, `12s`, below a second `0.4s`.
pub(crate) fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds) {
        (1.., ..) => format!("{days}d {hours:02}h"),
        (_, 1.., ..) => format!("{hours}h {minutes:02}m"),
        (_, _, 1.., _) => format!("{minutes}m {:02}s", seconds % 60),
        (.., 0) => format!("0.{}s", span.subsec_millis().max(0) / 100),
        (.., seconds) => format!("{seconds}s"),
    }
}

/// How long something that began has taken by now or by its end.
pub(crate) fn taken(started: Option<DateTime<Utc>>, finished: Option<DateTime<Utc>>) -> Option<String> {
    Some(span(finished.unwrap_or_else(Utc::now) - started?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_their_two_largest_units() {
        let cases = [
            (0, "0.0s"),
            (400, "0.4s"),
            (12_900, "12s"),
            (187_000, "3m 07s"),
            (3_840_000, "1h 04m"),
            (90_000_000, "1d 01h"),
            (-5_000, "0.0s"),
        ];
        for (millis, text) in cases {
            assert_eq!(span(TimeDelta::milliseconds(millis)), text);
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let now = Utc::now();
        for (seconds, text) in
            [(-9, "0s ago"), (59, "59s ago"), (119, "1m ago"), (7_300, "2h ago"), (200_000, "2d ago")]
        {
            assert_eq!(ago_at(now - TimeDelta::seconds(seconds), now), text);
        }
    }
}
