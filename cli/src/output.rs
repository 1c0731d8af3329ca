//! Where words go: data to standard output, everything said beside it to standard error.

use std::{
    env,
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
};

use serde_json::{Value, json};

use crate::failure::Failure;

/// How to write.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// Standard output is JSON alone.
    pub(crate) json: bool,
    /// JSON is indented, since a person reads it.
    indented: bool,
}

impl Output {
    /// Decides by flags, environment and terminal.
    pub(crate) fn new(json: bool, no_color: bool) -> Self {
        if no_color || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            console::set_colors_enabled(false);
            console::set_colors_enabled_stderr(false);
        }
        Self { json, indented: io::stdout().is_terminal() }
    }

    /// Writes a line of data.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), Failure> {
        Ok(writeln!(io::stdout().lock(), "{text}")?)
    }

    /// Writes one JSON value, the whole of the output.
    pub(crate) fn json(&self, value: &Value) -> Result<(), Failure> {
        if self.indented { self.line(format_args!("{value:#}")) } else { self.line(value) }
    }

    /// Writes one of many JSON values, a line each.
    pub(crate) fn json_line(&self, value: &Value) -> Result<(), Failure> {
        self.line(value)
    }

    /// Says something beside the data.
    pub(crate) fn note(&self, text: impl Display) {
        // A closed standard error is nobody's concern.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Tells why the command failed: to people, and with `--json` to programs too.
    pub(crate) fn failure(&self, failure: &Failure) {
        if matches!(failure, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return;
        }
        self.note(format_args!("{} {failure}", console::style("error:").for_stderr().red().bold()));
        if self.json {
            // When standard output is the trouble, standard error has said so.
            let _ = self.json(&json!({ "error": as_json(failure) }));
        }
    }

    /// How many columns a line may take; `None` when nobody counts, as in a pipe.
    pub(crate) fn width(&self) -> Option<usize> {
        let asked = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
        asked.or_else(|| console::Term::stdout().size_checked().map(|(_, columns)| columns.into()))
    }
}

/// The failure for programs: the server's problem as it came, or a kind and a message.
pub(crate) fn as_json(failure: &Failure) -> Value {
    let kind = match failure {
        Failure::Usage(_) => "usage",
        Failure::Connect { .. } | Failure::Broken { .. } => "unreachable",
        Failure::NotTheApi { .. } => "not_the_api",
        Failure::Start(_) => "start",
        Failure::Output(_) => "output",
        Failure::Refused(problem) | Failure::RefusedWithHint(problem, _) | Failure::Unavailable(problem) => {
            return problem.raw.clone();
        }
    };
    json!({ "kind": kind, "detail": failure.to_string() })
}
