//! Compiling the expressions of a definition, and checking that what they look at is there when they are evaluated.

use super::{
    InputSchema,
    document::Content,
    report::{Field, Report},
};
use crate::expression::{CompileError, Expression, Template, shorten, suggest};

/// What can be seen from one place of a definition.
pub(super) struct Visible<'a> {
    /// Steps that have ended.
    pub(super) earlier: Vec<&'a str>,
    /// The step itself.
    pub(super) own: Option<&'a str>,
    /// Whether the step itself has ended.
    pub(super) own_ended: bool,
    /// Steps that have not begun.
    pub(super) later: Vec<&'a str>,
    /// Steps of the definitions around.
    pub(super) outer: &'a [String],
    /// Whether there is a batch.
    pub(super) batch: bool,
    /// Whether there are rounds.
    pub(super) repeat: bool,
    /// What `input` is checked against.
    pub(super) input: Option<&'a InputSchema>,
}

/// Compiles the expressions of one place.
pub(super) struct Compiling<'a> {
    pub(super) visible: &'a Visible<'a>,
    pub(super) report: &'a mut Report,
}

impl Compiling<'_> {
    /// A text that is one expression. `place` is what its errors will call it by.
    pub(super) fn expression(&mut self, field: &Field<'_>, place: &str) -> Option<Expression> {
        let Content::Text(text) = &field.node.content else {
            field
                .add(self.report, format!("must be an expression, written as \"${{…}}\"; it is {}", field.node.kind()));
            return None;
        };
        match Expression::compile_text(text, place) {
            Ok(expression) => {
                self.check(field, &expression);
                Some(expression)
            }
            Err(error) => {
                field.add(self.report, explain(&error));
                None
            }
        }
    }

    /// Any JSON with expressions in it.
    pub(super) fn template(&mut self, field: &Field<'_>, place: &str) -> Option<Template> {
        match Template::compile(&field.node.to_value(), place) {
            Ok(template) => {
                template.visit(&mut |pointer, expression| self.check(&field.at_pointer(pointer), expression));
                Some(template)
            }
            Err(errors) => {
                for error in errors {
                    field.at_pointer(&error.pointer).add(self.report, explain(&error));
                }
                None
            }
        }
    }

    /// Checks what an expression looks at.
    fn check(&mut self, field: &Field<'_>, expression: &Expression) {
        let references = expression.references();
        for key in references.steps.keys() {
            if let Some(problem) = self.step_problem(key) {
                field.add(self.report, problem);
            }
        }
        if references.batch && !self.visible.batch {
            let message = "`batch` is known only in the `params` of a step with `for_each`, and in the steps nested directly \
                           in one";
            field.add(self.report, message);
        }
        if references.repeat && !self.visible.repeat {
            field.add(self.report, "`repeat` is known only in the `params` and the `until` of a step with `repeat`");
        }
        let Some(known) = self.visible.input.and_then(InputSchema::closed_properties) else { return };
        for name in expression.input_fields() {
            if !known.contains(&name.as_str()) {
                field
                    .add(self.report, format!("the `input` schema has no `{name}`: {}", suggest::known(&name, &known)));
            }
        }
    }

    fn step_problem(&self, key: &str) -> Option<String> {
        let visible = self.visible;
        if visible.earlier.contains(&key) || (visible.own == Some(key) && visible.own_ended) {
            return None;
        }
        let key = shorten(key, 80);
        Some(if visible.own == Some(&key) {
            format!("step `{key}` looks at itself; only its own `finish_if` and `repeat` may do that")
        } else if visible.later.contains(&key.as_str()) {
            format!("step `{key}` comes later; only steps that stand before this one have a result")
        } else if visible.outer.contains(&key) {
            format!(
                "step `{key}` belongs to the workflow around; hand down what is needed of it in that step's `params`"
            )
        } else if visible.own.is_none() {
            format!("there is no step `{key}`: {}", suggest::known(&key, &visible.earlier))
        } else if visible.earlier.is_empty() {
            format!("there is no step `{key}` before this one")
        } else {
            format!("there is no step `{key}` before this one: {}", suggest::known(&key, &visible.earlier))
        })
    }
}

fn explain(error: &CompileError) -> String {
    match error.character {
        Some(character) => format!("{} (at character {character} of the text)", error.message),
        None => error.message.clone(),
    }
}
