//! Why a definition was refused.

use std::fmt;

/// Everything that is wrong with a document, in the order of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionError {
    /// The document's name, as the caller gave it.
    pub file: String,
    /// What is wrong; never empty.
    pub problems: Vec<Problem>,
    /// How many further problems were found and not listed.
    pub more: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1; 0 where the document has no text, as when it comes from the database.
    pub line: u64,
    /// Column in characters, from 1; 0 where the document has no text.
    pub column: u64,
    /// The key, e.g. `steps[1].max_parallel`; empty for the document itself.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if problem.line > 0 {
                write!(f, ":{}:{}", problem.line, problem.column)?;
            }
            if !problem.path.is_empty() {
                write!(f, ": {}", problem.path)?;
            }
            write!(f, ": {}", problem.message)?;
        }
        if self.more > 0 {
            write!(f, "\n{}: and {} more problems", self.file, self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for DefinitionError {}
