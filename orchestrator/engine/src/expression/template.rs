//! JSON whose texts hold expressions.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    CompileError, Expression, ExpressionError, References, Scope,
    bind::Captured,
    fault::{Fault, Fuel},
    functions, limits,
    program::Key,
    scan::{self, Piece},
    value::Output,
};

/// A JSON value whose texts may hold `${…}`.
///
/// A text that is one expression and nothing else becomes the expression's value, of whatever kind; an expression among
/// other text becomes text. `$${` is a literal `${`. Keys are never expressions.
#[derive(Clone, Debug)]
pub struct Template {
    pub(super) place: String,
    pub(super) raw: Value,
    pub(super) part: Part,
    pub(super) references: References,
    /// What a bound template took along; nothing for others.
    pub(super) captured: Arc<BTreeMap<String, Captured>>,
    pub(super) bound: bool,
}

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// No expression in it; `$${` is resolved.
    Fixed(Value),
    Whole(Expression),
    Mixed(Vec<Fragment>),
    List(Vec<Part>),
    Map(Vec<(String, Part)>),
}

/// A piece of mixed text.
#[derive(Clone, Debug)]
pub(super) enum Fragment {
    Text(String),
    Expression(Expression),
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
            && self.raw == other.raw
            && self.bound == other.bound
            && self.captured == other.captured
    }
}

impl Template {
    /// Compiles. `place` is what errors call the template by; they add the key inside it.
    ///
    /// # Errors
    /// Every expression in it that does not compile, each with its pointer.
    pub fn compile(raw: &Value, place: &str) -> Result<Self, Vec<CompileError>> {
        Self::compile_within(raw, place, false)
    }

    /// `stored`: the JSON has values of an earlier evaluation in it, whose keys may be anything.
    pub(super) fn compile_within(raw: &Value, place: &str, stored: bool) -> Result<Self, Vec<CompileError>> {
        let mut compiler = Compiler { references: References::default(), errors: Vec::new(), expressions: 0, stored };
        let part = compiler.part(raw, place, &mut Vec::new());
        if !compiler.errors.is_empty() {
            return Err(compiler.errors);
        }
        Ok(Self {
            place: place.to_owned(),
            raw: raw.clone(),
            part,
            references: compiler.references,
            captured: Arc::default(),
            bound: false,
        })
    }

    /// What it reads. A bound template reads `batch` at most.
    #[must_use]
    pub const fn references(&self) -> &References {
        &self.references
    }

    /// Shows every expression in it, with the JSON pointer of its text.
    pub(crate) fn visit(&self, show: &mut impl FnMut(&str, &Expression)) {
        self.part.visit(&mut Vec::new(), show);
    }

    /// Evaluates every expression in it.
    ///
    /// # Errors
    /// When one fails, or the whole becomes too large.
    pub fn eval(&self, scope: &Scope) -> Result<Value, ExpressionError> {
        Evaluation { scope, captured: &self.captured, output: Output::new() }.part(&self.part)
    }

    /// Evaluates it to a text, as an expression in mixed text becomes one.
    ///
    /// # Errors
    /// As [`Self::eval`].
    pub fn eval_text(&self, scope: &Scope) -> Result<String, ExpressionError> {
        Ok(match self.eval(scope)? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

struct Compiler {
    references: References,
    errors: Vec<CompileError>,
    expressions: usize,
    stored: bool,
}

impl Compiler {
    fn part(&mut self, raw: &Value, place: &str, keys: &mut Vec<Key>) -> Part {
        let deepest = limits::TEMPLATE_DEPTH + if self.stored { limits::OUTPUT_DEPTH } else { 0 };
        if keys.len() > deepest {
            self.error(keys, CompileError::new(format!("nested deeper than {deepest} levels")));
            return Part::Fixed(Value::Null);
        }
        match raw {
            Value::String(text) => self.text(text, place, keys),
            Value::Array(values) => {
                let parts =
                    values.iter().enumerate().map(|(index, value)| self.below(value, place, keys, Key::Index(index)));
                list(parts.collect())
            }
            Value::Object(entries) => {
                let mut parts = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let part = self.below(value, place, keys, Key::Field(key.clone()));
                    if key.contains("${") && !self.stored {
                        let message = format!("the key {key:?} must not have an expression in it; only values may");
                        self.error(keys, CompileError::new(message));
                    }
                    parts.push((key.clone(), part));
                }
                map(parts)
            }
            scalar => Part::Fixed(scalar.clone()),
        }
    }

    fn below(&mut self, raw: &Value, place: &str, keys: &mut Vec<Key>, key: Key) -> Part {
        keys.push(key);
        let part = self.part(raw, place, keys);
        keys.pop();
        part
    }

    fn text(&mut self, text: &str, place: &str, keys: &[Key]) -> Part {
        let pieces = match scan::pieces(text) {
            Ok(pieces) => pieces,
            Err(error) => {
                self.error(keys, error);
                return Part::Fixed(Value::Null);
            }
        };
        let mut place = place.to_owned();
        keys.iter().for_each(|key| key.append_to(&mut place));
        let mut fragments = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Text(text) => fragments.push(Fragment::Text(text)),
                Piece::Source(source, at) => match self.expression(source, &place) {
                    Ok(expression) => fragments.push(Fragment::Expression(expression)),
                    Err(mut error) => {
                        error.character = error.character.map(|character| character + text[..at].chars().count());
                        self.error(keys, error);
                    }
                },
            }
        }
        match <[Fragment; 1]>::try_from(fragments) {
            Ok([Fragment::Expression(expression)]) => Part::Whole(expression),
            Ok([Fragment::Text(text)]) => Part::Fixed(Value::String(text)),
            Err(fragments) if fragments.is_empty() => Part::Fixed(Value::String(String::new())),
            Err(fragments) => Part::Mixed(fragments),
        }
    }

    fn expression(&mut self, source: &str, place: &str) -> Result<Expression, CompileError> {
        self.expressions += 1;
        if self.expressions > limits::TEMPLATE_EXPRESSIONS {
            let message = format!("more than {} expressions in one template", limits::TEMPLATE_EXPRESSIONS);
            return Err(CompileError::new(message));
        }
        let expression = Expression::compile(source, place)?;
        self.references.merge(expression.references());
        Ok(expression)
    }

    fn error(&mut self, keys: &[Key], mut error: CompileError) {
        error.pointer = pointer(keys);
        self.errors.push(error);
    }
}

/// A list; fixed when all of it is.
pub(super) fn list(parts: Vec<Part>) -> Part {
    if parts.iter().all(|part| matches!(part, Part::Fixed(_))) {
        return Part::Fixed(parts.into_iter().map(Part::into_fixed).collect());
    }
    Part::List(parts)
}

/// An object; fixed when all of it is.
pub(super) fn map(parts: Vec<(String, Part)>) -> Part {
    if parts.iter().all(|(_, part)| matches!(part, Part::Fixed(_))) {
        let entries: Map<_, _> = parts.into_iter().map(|(key, part)| (key, part.into_fixed())).collect();
        return Part::Fixed(Value::Object(entries));
    }
    Part::Map(parts)
}

impl Part {
    fn visit(&self, keys: &mut Vec<Key>, show: &mut impl FnMut(&str, &Expression)) {
        match self {
            Self::Fixed(_) => {}
            Self::Whole(expression) => show(&pointer(keys), expression),
            Self::Mixed(fragments) => {
                for fragment in fragments {
                    if let Fragment::Expression(expression) = fragment {
                        show(&pointer(keys), expression);
                    }
                }
            }
            Self::List(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    keys.push(Key::Index(index));
                    part.visit(keys, show);
                    keys.pop();
                }
            }
            Self::Map(parts) => {
                for (name, part) in parts {
                    keys.push(Key::Field(name.clone()));
                    part.visit(keys, show);
                    keys.pop();
                }
            }
        }
    }

    /// The value of a fixed part.
    fn into_fixed(self) -> Value {
        if let Self::Fixed(value) = self { value } else { Value::Null }
    }
}

fn pointer(keys: &[Key]) -> String {
    keys.iter()
        .map(|key| match key {
            Key::Field(name) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            Key::Index(index) => format!("/{index}"),
        })
        .collect()
}

/// One evaluation of a template; the size of the result is counted over all of it.
pub(super) struct Evaluation<'a> {
    pub(super) scope: &'a Scope,
    pub(super) captured: &'a BTreeMap<String, Captured>,
    pub(super) output: Output,
}

impl Evaluation<'_> {
    pub(super) fn part(&mut self, part: &Part) -> Result<Value, ExpressionError> {
        match part {
            // Fixed parts are bounded by the document they stand in.
            Part::Fixed(value) => Ok(value.clone()),
            Part::Whole(expression) => self.whole(expression),
            Part::Mixed(fragments) => {
                let mut text = String::new();
                for fragment in fragments {
                    match fragment {
                        Fragment::Text(literal) => text.push_str(literal),
                        Fragment::Expression(expression) => text.push_str(&self.text(expression)?),
                    }
                }
                Ok(Value::String(text))
            }
            Part::List(parts) => parts.iter().map(|part| self.part(part)).collect(),
            Part::Map(parts) => parts
                .iter()
                .map(|(key, part)| Ok((key.clone(), self.part(part)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }

    pub(super) fn whole(&mut self, expression: &Expression) -> Result<Value, ExpressionError> {
        let output = &mut self.output;
        expression.with_value(self.scope, self.captured, |value| output.json(value).map_err(Fault::Limit))
    }

    pub(super) fn text(&mut self, expression: &Expression) -> Result<String, ExpressionError> {
        let output = &mut self.output;
        expression.with_value(self.scope, self.captured, |value| {
            let text = functions::display(&mut Fuel::new(), value)?;
            output.charge(text.len()).map_err(Fault::Limit)?;
            Ok(text)
        })
    }
}
