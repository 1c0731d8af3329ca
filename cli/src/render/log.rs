//! A log line.

use console::style;
use drover_protocol::JobId;
use serde_json::Value;

use super::{style as styles, text::printable, time};
use crate::api::LogLine;

/// The line as text; of a sub-job's line it says whose it is.
pub(crate) fn line(line: &LogLine, shown: JobId) -> String {
    let whose = if line.job_id == shown || line.job_type.is_empty() {
        String::new()
    } else {
        format!("{} ", style(&line.job_type).dim())
    };
    let fields: String = line.fields.iter().map(field).collect();
    let fields = style(fields).dim();
    format!("{} {} {whose}{}{fields}", time::moment_ms(line.at), styles::level(line.level), printable(&line.message))
}

fn field((key, value): (&String, &Value)) -> String {
    match value {
        Value::String(text) => format!(" {key}={}", printable(text)),
        other => format!(" {key}={other}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_has_level_owner_text_and_fields() {
        let id = "01980c5e-7a00-7d10-8b6e-3f6f3ad3a001";
        let raw = json!({
            "at": "2026-07-26T12:00:00.5Z", "level": "warn", "message": "odd \u{1b}[2J file", "job_id": id,
            "job_type": "validate_import", "fields": { "file": "c.csv", "rows": 3 },
        });
        let log: LogLine = serde_json::from_value(raw).unwrap();
        let own = line(&log, id.parse().unwrap());
        assert!(own.ends_with("warn  odd \u{fffd}[2J file file=c.csv rows=3"), "{own}");
        let of_sub_job = line(&log, JobId(uuid::Uuid::nil()));
        assert!(of_sub_job.contains("warn  validate_import odd"), "{of_sub_job}");
    }
}
