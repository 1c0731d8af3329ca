//! Expressions in workflow definitions: CEL, in `${…}`.
//!
//! The grammar is that of the `cel` crate. The evaluation is our own, because it has to keep promises that a general
//! interpreter does not make: its work, its memory and its result are bounded (see [`limits`]), it never panics, it
//! borrows the scope's JSON instead of converting it, and its errors name the key that is missing. Semantics are CEL's,
//! with these differences:
//! - ints and doubles mix, as they do in JSON: `1 + 0.5` is `1.5`;
//! - an int may be anything from the smallest `i64` to the largest `u64`; `1u` is the int 1;
//! - `has(steps.x.result)` and `has(steps.x.error)` are false when there is none (null);
//! - `size()` of a list that was delivered as items is its number of items; nothing else looks into such a list;
//! - bytes, timestamps, durations, types and optional values do not exist; the keys of objects are texts;
//! - `matches` takes a written-out pattern; loops stand at most two deep in each other;
//! - there are also `sum`, `min`, `max` and `flatten` for lists.
//!
//! | module | what it does |
//! | --- | --- |
//! | `scan` | finds expressions in a text |
//! | `compile` | from the `cel` crate's syntax tree to `program`, names and limits checked |
//! | `path`, `operators`, `functions`, `eval` | evaluates |
//! | `template`, `bind` | JSON with expressions in it |

mod bind;
mod compile;
mod error;
mod eval;
mod fault;
mod functions;
pub mod limits;
mod operators;
mod path;
mod program;
mod references;
mod scan;
mod scope;
pub(crate) mod suggest;
mod template;
#[cfg(test)]
mod tests;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

pub(crate) use error::shorten;
pub use error::{CompileError, ExpressionError};
pub use references::{References, StepUse};
pub use scope::{BatchScope, RepeatScope, Scope, StepScope, WorkflowScope};
pub use template::Template;

use bind::Captured;
use eval::Machine;
use fault::Fault;
use program::{Key, Node, Root};
use value::{Output, Val};

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    source: String,
    place: String,
    node: Arc<Node>,
    references: References,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.place == other.place
    }
}

impl Expression {
    /// Compiles what stands between `${` and `}`. `place` (step and field) is what errors call the expression by.
    ///
    /// # Errors
    /// When it is no valid CEL, goes beyond a limit, or names what does not exist.
    pub fn compile(source: &str, place: &str) -> Result<Self, CompileError> {
        let (node, references) = compile::compile(source)?;
        Ok(Self { source: source.to_owned(), place: place.to_owned(), node: Arc::new(node), references })
    }

    /// Compiles a text that is one `${…}` and nothing else.
    ///
    /// # Errors
    /// As [`Self::compile`], and when the text is something else.
    pub fn compile_text(text: &str, place: &str) -> Result<Self, CompileError> {
        match scan::pieces(text.trim())?.as_slice() {
            [scan::Piece::Source(source, at)] => Self::compile(source, place)
                .map_err(|error| CompileError { character: error.character.map(|character| character + at), ..error }),
            _ => Err(CompileError::new(format!(
                "{:?} is not an expression: write the whole of it as ${{…}}",
                shorten(text, 80)
            ))),
        }
    }

    /// The source, without `${` and `}`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it reads.
    #[must_use]
    pub const fn references(&self) -> &References {
        &self.references
    }

    /// Evaluates it.
    ///
    /// # Errors
    /// When a key is missing, kinds do not fit, or a limit is met.
    pub fn eval(&self, scope: &Scope) -> Result<Value, ExpressionError> {
        self.with_value(scope, &BTreeMap::new(), |value| Output::new().json(value).map_err(Fault::Limit))
    }

    /// Evaluates it to true or false.
    ///
    /// # Errors
    /// As [`Self::eval`], and when the result is neither.
    pub fn eval_bool(&self, scope: &Scope) -> Result<bool, ExpressionError> {
        self.with_value(scope, &BTreeMap::new(), |value| match value {
            Val::Bool(value) => Ok(*value),
            other => Fault::failed(format!("the result must be true or false; it is {}", other.describe())),
        })
    }

    /// The parameters that it reads by name: the `x` of each `input.x`.
    pub(crate) fn input_fields(&self) -> BTreeSet<String> {
        let mut fields = BTreeSet::new();
        self.node.visit_paths(&mut |path, _| {
            if let (Root::Input, Some(Key::Field(name))) = (&path.root, path.keys.first()) {
                fields.insert(name.clone());
            }
        });
        fields
    }

    /// Evaluates it and hands the value on while what it borrows is there.
    fn with_value<T>(
        &self,
        scope: &Scope,
        captured: &BTreeMap<String, Captured>,
        take: impl FnOnce(&Val<'_>) -> Result<T, Fault>,
    ) -> Result<T, ExpressionError> {
        let value = Machine::new(scope, captured).eval(&self.node);
        value
            .and_then(|value| take(&value))
            .map_err(|fault| ExpressionError::new(&self.place, &self.source, fault.into_message()))
    }
}
