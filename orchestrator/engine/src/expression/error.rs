//! Errors of expressions: those found when a definition is loaded, and those met when one is evaluated.

use drover_protocol::JobError;

/// A text that is no usable expression or template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// What is wrong and what to do.
    pub message: String,
    /// JSON pointer of the text inside a template; empty for an expression.
    pub pointer: String,
    /// Where in that text, in characters from 1, when it can be told.
    pub character: Option<usize>,
}

impl CompileError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), pointer: String::new(), character: None }
    }

    pub(crate) fn at(self, character: usize) -> Self {
        Self { character: Some(character), ..self }
    }
}

/// An evaluation that failed. Every evaluation against the same scope would fail the same way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: ${{{expression}}} failed: {cause}")]
pub struct ExpressionError {
    /// Where the expression stands: the step's key and the field.
    pub place: String,
    /// The expression's source, cut to 200 characters.
    pub expression: String,
    /// What went wrong and, where it can be told, what to do.
    pub cause: String,
}

impl ExpressionError {
    pub(crate) fn new(place: &str, expression: &str, cause: impl Into<String>) -> Self {
        Self { place: place.to_owned(), expression: shorten(expression, 200), cause: cause.into() }
    }
}

impl From<ExpressionError> for JobError {
    fn from(error: ExpressionError) -> Self {
        Self::permanent("expression", error.to_string())
    }
}

/// The first `limit` characters, and an ellipsis when there were more.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
