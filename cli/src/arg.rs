//! Values of arguments, read with errors that say what would be taken.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use drover_protocol::{JobId, JobStatus};
use serde_json::Value;

/// A whole job id.
pub(crate) fn job_id(text: &str) -> Result<JobId, String> {
    text.parse().map_err(|_| {
        "not a job id. Give the whole id, for example 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001: ids made at about the same \
         time begin alike, so a beginning names no job. `drover list` shows the ids"
            .into()
    })
}

/// `KEY=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("not of the form KEY=VALUE".into()),
    }
}

/// `KEY=VALUE` of a parameter: a value that is JSON is taken as such, any other is a text.
pub(crate) fn param(text: &str) -> Result<(String, Value), String> {
    let (key, value) = pair(text)?;
    Ok((key, serde_json::from_str(&value).unwrap_or(Value::String(value))))
}

/// `ID`, `none` or `any`.
pub(crate) fn parent(text: &str) -> Result<String, String> {
    match text {
        "none" | "any" => Ok(text.into()),
        id => job_id(id).map(|id| id.to_string()),
    }
}

/// A status, by the name that the API uses.
pub(crate) fn status(text: &str) -> Result<JobStatus, String> {
    text.parse().map_err(|error: drover_protocol::status::UnknownStatus| error.to_string())
}

/// A moment: RFC 3339, a date (its beginning in UTC), or an age as `90s`, `15m`, `2h`, `7d`.
pub(crate) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    moment_at(text, Utc::now())
}

fn moment_at(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    age(text).and_then(|age| now.checked_sub_signed(age)).ok_or_else(|| {
        "not a time: give one by RFC 3339 (2026-01-31T12:00:00Z), a date (2026-01-31) or an age (90s, 15m, 2h, 7d)"
            .into()
    })
}

fn age(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?;
    let number: i64 =
        if number.starts_with(|c: char| c.is_ascii_digit()) { number.parse().ok()? } else { return None };
    match unit {
        's' => TimeDelta::try_seconds(number),
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        _ => None,
    }
}

/// A span as `90s`, `15m`, `2h`, `7d`.
pub(crate) fn span(text: &str) -> Result<TimeDelta, String> {
    age(text).ok_or_else(|| "not a span: give one as 90s, 15m, 2h or 7d".into())
}

/// A moment to come: RFC 3339, a date, or a span from now as `90s`, `15m`, `2h`, `7d`.
pub(crate) fn moment_to_come(text: &str) -> Result<DateTime<Utc>, String> {
    match age(text) {
        Some(span) => Utc::now().checked_add_signed(span).ok_or_else(|| "too far away".into()),
        None => moment(text),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use chrono::Days;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_parameter_is_json_or_text() {
        let cases = [
            ("n=7", json!(7)),
            ("b=true", json!(true)),
            ("l=[1,2]", json!([1, 2])),
            ("t=hello world", json!("hello world")),
            ("q=\"7\"", json!("7")),
            ("e=", json!("")),
            ("u=a=b", json!("a=b")),
        ];
        for (text, value) in cases {
            assert_eq!(param(text).unwrap().1, value, "{text}");
        }
        assert!(param("novalue").is_err());
        assert!(param("=x").is_err());
    }

    #[test]
    fn a_moment_is_a_time_a_date_or_an_age() {
        let now = DateTime::UNIX_EPOCH + Days::new(20_000);
        assert_eq!(moment_at("2h", now).unwrap(), now - TimeDelta::hours(2));
        assert_eq!(moment_at("7d", now).unwrap(), now - TimeDelta::days(7));
        assert_eq!(moment_at("2026-01-31", now).unwrap().to_rfc3339(), "2026-01-31T00:00:00+00:00");
        assert_eq!(moment_at("2026-01-31T12:00:00+01:00", now).unwrap().to_rfc3339(), "2026-01-31T11:00:00+00:00");
        for bad in ["", "h", "2", "-2h", "2w", "soon", "99999999999999d", "9223372036854775807s", "2ü"] {
            assert!(moment_at(bad, now).is_err(), "{bad:?} is taken");
        }
        assert_eq!(span("90s"), Ok(TimeDelta::seconds(90)));
        for bad in ["", "5", "s", "-5s", "5 s", "2026-01-31"] {
            assert!(span(bad).is_err(), "{bad:?} is taken");
        }
    }

    #[test]
    fn an_id_is_whole() {
        assert!(job_id("01980c5e-7a00-7d10-8b6e-3f6f3ad3a001").is_ok());
        assert!(job_id("01980c5e").unwrap_err().contains("whole id"));
        assert_eq!(parent("any").unwrap(), "any");
        assert!(parent("some").is_err());
    }
}
