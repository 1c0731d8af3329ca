//! Errors.

use std::fmt;

use drover_protocol::JobStatus;
use serde::Deserialize;
use serde_json::Value;

/// An error of the API (`application/problem+json`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) title: String,
    pub(crate) status: u16,
    pub(crate) detail: Option<String>,
    pub(crate) kind: Option<String>,
    /// JSON pointer of the one field that is to blame.
    pub(crate) field: Option<String>,
    pub(crate) errors: Vec<ProblemEntry>,
    pub(crate) job_status: Option<JobStatus>,
    /// The answer as it came.
    #[serde(skip)]
    pub(crate) raw: Value,
    /// The answer's header `Retry-After`, in seconds.
    #[serde(skip)]
    pub(crate) retry_after_seconds: Option<u64>,
}

/// One of several errors: of a parameter (with a pointer) or of a definition (with a place in the file).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ProblemEntry {
    pub(crate) pointer: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
    pub(crate) path: Option<String>,
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.detail.as_deref().filter(|detail| !detail.is_empty()).unwrap_or(&self.title);
        match self.field.as_deref().filter(|field| !field.is_empty() && !text.contains(field)) {
            Some(field) => write!(f, "{field}: {text}")?,
            None => f.write_str(text)?,
        }
        self.errors.iter().try_for_each(|entry| write!(f, "\n  {entry}"))
    }
}

impl fmt::Display for ProblemEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            f.write_str(source)?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, ":{number}")?;
            }
            f.write_str(": ")?;
        }
        let place = self.pointer.as_deref().or(self.path.as_deref());
        match place {
            Some(place) if !place.is_empty() => write!(f, "{place}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_shows_each_error_on_a_line() {
        let problem: Problem = serde_json::from_value(json!({
            "type": "/problems/invalid_params", "title": "Invalid parameters", "status": 422, "kind": "invalid_params",
            "detail": "the parameters do not fit data_import",
            "errors": [
                { "pointer": "/import_path", "message": "is missing" },
                { "source": "a.yaml", "line": 3, "column": 7, "path": "steps[0].job", "message": "unknown key" },
                { "pointer": "", "message": "is no object" },
            ],
        }))
        .unwrap();
        assert_eq!(
            problem.to_string(),
            "the parameters do not fit data_import\n  /import_path: is missing\n  a.yaml:3:7: steps[0].job: unknown key\n  \
             is no object"
        );
    }

    #[test]
    fn a_problem_names_its_field_once() {
        let problem =
            |detail: &str| Problem { detail: Some(detail.into()), field: Some("/type".into()), ..Problem::default() };
        assert_eq!(problem("is missing").to_string(), "/type: is missing");
        assert_eq!(problem("/type is missing").to_string(), "/type is missing");
    }
}
