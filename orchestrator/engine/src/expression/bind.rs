//! Binding: a fan-out evaluates what all its batches share once, and keeps the rest with the values it still needs.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use super::{
    CompileError, Expression, ExpressionError, References, Scope,
    error::ExpressionError as Error,
    eval,
    fault::Fault,
    limits, path,
    program::{Path, Root},
    scan,
    template::{self, Evaluation, Fragment, Part, Template},
    value::{Output, Val},
};

/// What a path of the scope was when the template was bound.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Captured {
    /// It had this value.
    Value(Value),
    /// It had none; evaluating it fails with this message, if it comes to that.
    Missing(String),
}

impl Captured {
    pub(super) fn value(&self) -> Result<Val<'_>, Fault> {
        match self {
            Self::Value(value) => Ok(Val::of(value)),
            Self::Missing(message) => Err(Fault::Failed(message.clone())),
        }
    }
}

impl Template {
    /// Evaluates all that does not depend on `batch`, and takes along what the rest still needs. The bound template
    /// evaluates to the same values, given a scope that has nothing but `batch`.
    ///
    /// # Errors
    /// When a part that does not depend on the batch fails, or what must be taken along is too large.
    pub fn bind(&self, scope: &Scope) -> Result<Self, ExpressionError> {
        let evaluation = Evaluation { scope, captured: &self.captured, output: Output::new() };
        let mut binder = Binder { evaluation, captured: BTreeMap::new(), batch: false };
        let part = binder.part(&self.part)?;
        let references = References { batch: binder.batch, ..References::default() };
        Ok(Self {
            place: self.place.clone(),
            raw: raw(&part),
            part,
            references,
            captured: Arc::new(binder.captured),
            bound: true,
        })
    }

    /// For storage: [`Self::from_json`] reads it back.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let captured: Map<String, Value> = self
            .captured
            .iter()
            .map(|(name, captured)| {
                let value = match captured {
                    Captured::Value(value) => json!({ "value": value }),
                    Captured::Missing(message) => json!({ "missing": message }),
                };
                (name.clone(), value)
            })
            .collect();
        json!({ "place": self.place, "template": self.raw, "captured": captured, "bound": self.bound })
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// When the JSON is not of that form, or an expression in it does not compile.
    pub fn from_json(stored: &Value) -> Result<Self, CompileError> {
        let malformed = || CompileError::new("not a stored template: it needs place, template, captured and bound");
        let place = stored.get("place").and_then(Value::as_str).ok_or_else(malformed)?;
        let raw = stored.get("template").ok_or_else(malformed)?;
        let bound = stored.get("bound").and_then(Value::as_bool).ok_or_else(malformed)?;
        let mut captured = BTreeMap::new();
        for (name, entry) in stored.get("captured").and_then(Value::as_object).ok_or_else(malformed)? {
            let value = match (entry.get("value"), entry.get("missing").and_then(Value::as_str)) {
                (Some(value), _) => Captured::Value(value.clone()),
                (None, Some(message)) => Captured::Missing(message.to_owned()),
                (None, None) => return Err(malformed()),
            };
            captured.insert(name.clone(), value);
        }
        let mut template = Self::compile_within(raw, place, true)
            .map_err(|errors| errors.into_iter().next().unwrap_or_else(malformed))?;
        if bound {
            template.references = References { batch: template.references.batch, ..References::default() };
        }
        template.captured = Arc::new(captured);
        template.bound = bound;
        Ok(template)
    }
}

struct Binder<'a> {
    evaluation: Evaluation<'a>,
    captured: BTreeMap<String, Captured>,
    /// Whether something still depends on the batch.
    batch: bool,
}

impl Binder<'_> {
    fn part(&mut self, part: &Part) -> Result<Part, ExpressionError> {
        Ok(match part {
            Part::Fixed(value) => Part::Fixed(value.clone()),
            Part::Whole(expression) if expression.references().batch => Part::Whole(self.keep(expression)?),
            Part::Whole(expression) => Part::Fixed(self.evaluation.whole(expression)?),
            Part::Mixed(fragments) => self.mixed(fragments)?,
            Part::List(parts) => template::list(parts.iter().map(|part| self.part(part)).collect::<Result<_, _>>()?),
            Part::Map(parts) => template::map(
                parts.iter().map(|(key, part)| Ok((key.clone(), self.part(part)?))).collect::<Result<_, _>>()?,
            ),
        })
    }

    /// Joins what is known into literal text.
    fn mixed(&mut self, fragments: &[Fragment]) -> Result<Part, ExpressionError> {
        let mut bound = Vec::new();
        let mut literal = String::new();
        for fragment in fragments {
            match fragment {
                Fragment::Text(text) => literal.push_str(text),
                Fragment::Expression(expression) if expression.references().batch => {
                    if !literal.is_empty() {
                        bound.push(Fragment::Text(std::mem::take(&mut literal)));
                    }
                    bound.push(Fragment::Expression(self.keep(expression)?));
                }
                Fragment::Expression(expression) => literal.push_str(&self.evaluation.text(expression)?),
            }
        }
        if bound.is_empty() {
            return Ok(Part::Fixed(Value::String(literal)));
        }
        if !literal.is_empty() {
            bound.push(Fragment::Text(literal));
        }
        Ok(Part::Mixed(bound))
    }

    /// Takes along what an expression that depends on the batch needs beside it.
    fn keep(&mut self, expression: &Expression) -> Result<Expression, ExpressionError> {
        self.batch = true;
        let mut paths: Vec<(Path, bool)> = Vec::new();
        expression.node.visit_paths(&mut |path, is_has| {
            if path.root != Root::Batch {
                paths.push((path.clone(), is_has));
            }
        });
        for (path, is_has) in paths {
            let name = if is_has { eval::has_name(&path) } else { path.text.clone() };
            if self.captured.contains_key(&name) {
                continue;
            }
            let captured = match self.evaluation.captured.get(&name) {
                Some(captured) => captured.clone(),
                None => self.look_up(&path, is_has).map_err(|cause| {
                    Error::new(&expression.place, &expression.source, format!("{}: {cause}", path.text))
                })?,
            };
            self.captured.insert(name, captured);
        }
        Ok(expression.clone())
    }

    fn look_up(&mut self, path: &Path, is_has: bool) -> Result<Captured, String> {
        let found = if is_has {
            path::exists(path, self.evaluation.scope).map(Val::Bool)
        } else {
            path::resolve(path, self.evaluation.scope)
        };
        match found {
            Ok(value) => self.evaluation.output.json(&value).map(Captured::Value).map_err(|_| {
                format!(
                    "the value is too large (more than {} bytes in all) to be kept for every batch; put what the batches \
                     need into the items instead",
                    limits::OUTPUT_BYTES
                )
            }),
            Err(fault) => Ok(Captured::Missing(fault.into_message())),
        }
    }
}

/// The JSON that compiles to a part.
fn raw(part: &Part) -> Value {
    match part {
        Part::Fixed(value) => escaped(value),
        Part::Whole(expression) => Value::String(source(expression)),
        Part::Mixed(fragments) => {
            let mut text = String::new();
            // Alone, the expression would keep its kind instead of becoming text.
            if matches!(fragments.as_slice(), [Fragment::Expression(_)]) {
                text.push_str("${''}");
            }
            for fragment in fragments {
                match fragment {
                    Fragment::Text(literal) => text.push_str(&scan::escape(literal)),
                    Fragment::Expression(expression) => text.push_str(&source(expression)),
                }
            }
            Value::String(text)
        }
        Part::List(parts) => parts.iter().map(raw).collect(),
        Part::Map(parts) => Value::Object(parts.iter().map(|(key, part)| (key.clone(), raw(part))).collect()),
    }
}

fn source(expression: &Expression) -> String {
    format!("${{{}}}", expression.source)
}

fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(scan::escape(text)),
        Value::Array(values) => values.iter().map(escaped).collect(),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), escaped(value))).collect())
        }
        scalar => scalar.clone(),
    }
}
