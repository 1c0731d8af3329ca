//! Reading what a step runs, how often, and with which parameters.

use std::sync::Arc;

use drover_protocol::JobType;
use serde_json::json;

use super::{
    BatchSize, Definition, FanOut, FinishIf, Repeat, Tolerate, Work,
    document::{Content, Node},
    expressions::{Compiling, Visible},
    limits,
    parse::{self, Chain, Document},
    report::{Field, Fields, Report},
    step::Place,
};
use crate::expression::{Expression, Template, shorten};

/// What a step may run: one of them, or nothing.
const WORKS: [&str; 4] = ["job", "workflow", "steps", "wait_for"];

/// A step while it is read.
pub(super) struct Reading<'a> {
    pub(super) fields: &'a Fields<'a>,
    pub(super) place: &'a Place<'a>,
    pub(super) key: &'a str,
}

impl<'a> Reading<'a> {
    /// What the step's expressions see.
    fn visible(&self, has_batch: bool, own_ended: bool, repeat: bool) -> Visible<'a> {
        let place = self.place;
        let (earlier, rest) = place.keys.split_at(place.index.min(place.keys.len()));
        Visible {
            earlier: place.main.iter().chain(earlier).map(String::as_str).filter(|key| !key.is_empty()).collect(),
            own: Some(self.key),
            own_ended,
            later: rest.iter().skip(1).map(String::as_str).collect(),
            outer: place.chain.outer,
            batch: has_batch || place.chain.in_batch,
            repeat,
            input: place.chain.input,
        }
    }

    /// What errors of an evaluation will call a field by.
    fn name(&self, field: &str) -> String {
        let mut name: String = self.place.chain.path.iter().map(|key| format!("{key}.")).collect();
        name.push_str(self.key);
        name.push('.');
        name.push_str(field);
        name
    }

    fn fans_out(&self) -> bool {
        self.fields.get("for_each").is_some()
    }

    /// An expression that is evaluated before the step begins.
    pub(super) fn expression(&self, key: &str, report: &mut Report) -> Option<Expression> {
        let field = self.fields.get(key)?;
        Compiling { visible: &self.visible(false, false, false), report }.expression(&field, &self.name(key))
    }

    pub(super) fn fan_out(&self, report: &mut Report) -> Option<FanOut> {
        if !self.fans_out() {
            for key in ["batch_size", "max_parallel", "tolerate"] {
                self.fields.refuse(key, "means something only beside `for_each`; add that or remove this", report);
            }
            return None;
        }
        let items = self.expression("for_each", report);
        let batch_size = self.batch_size(report);
        let max_parallel = self.fields.get("max_parallel");
        let max_parallel = max_parallel.and_then(|field| field.number(1..=limits::MAX_PARALLEL, report));
        let max_parallel = max_parallel.unwrap_or(limits::DEFAULT_MAX_PARALLEL);
        let tolerate = self.fields.get("tolerate").and_then(|field| tolerate(&field, report));
        Some(FanOut { items: items?, batch_size, max_parallel, tolerate })
    }

    fn batch_size(&self, report: &mut Report) -> BatchSize {
        let size = self.fields.get("batch_size").and_then(|field| match &field.node.content {
            Content::Text(text) if text.contains("${") => self.expression("batch_size", report).map(BatchSize::Of),
            Content::Text(text) => {
                let message = format!(
                    "must be a whole number from 1 to {}, or an expression written as \"${{…}}\"; it is the text {:?}",
                    limits::BATCH_SIZE,
                    shorten(text, 60)
                );
                field.add(report, message);
                None
            }
            _ => field.number(1..=limits::BATCH_SIZE, report).map(BatchSize::Fixed),
        });
        size.unwrap_or(BatchSize::Fixed(1))
    }

    /// The parameters; where there are none, `{}`, and for nested steps the workflow's own.
    pub(super) fn params(&self, report: &mut Report) -> Option<Template> {
        let name = self.name("params");
        let Some(field) = self.fields.get("params") else {
            let default = if self.fields.get("steps").is_some() { json!("${input}") } else { json!({}) };
            // Both defaults compile, as every test that leaves `params` out shows.
            return Template::compile(&default, &name).ok();
        };
        let is_object = match &field.node.content {
            Content::Map(_) => true,
            // A whole expression may become an object; its evaluation will tell.
            Content::Text(text) => text.trim().starts_with("${"),
            _ => false,
        };
        if !is_object {
            field.add(report, format!("must be a mapping of parameters; it is {}", field.node.kind()));
            return None;
        }
        // Of a step that is repeated they may read what the round before came to.
        let repeats = self.fields.get("repeat").is_some();
        Compiling { visible: &self.visible(self.fans_out(), repeats, repeats), report }.template(&field, &name)
    }

    pub(super) fn work(&self, title: &str, document: &mut Document<'_>) -> Option<Work> {
        let given: Vec<(&str, Field<'_>)> =
            WORKS.into_iter().filter_map(|key| Some((key, self.fields.get(key)?))).collect();
        match given.as_slice() {
            [("job", field)] => parse::job_type(field, document.report).map(Work::Job),
            [("workflow", field)] => {
                let name = parse::job_type(field, document.report)?;
                if name == *self.place.chain.root {
                    field.add(document.report, format!("workflow `{name}` would run itself without end"));
                }
                Some(Work::Workflow(name))
            }
            [("wait_for", field)] => self.signal(field, document.report),
            [(_, field)] => self.nested(field, title, document).map(|nested| Work::Steps(Arc::new(nested))),
            [] => Some(self.milestone(document.report)),
            several => {
                let names: Vec<String> = several.iter().map(|(name, _)| format!("`{name}`")).collect();
                let message = format!("{} exclude each other; keep one of them", names.join(" and "));
                self.fields.whole.add(document.report, message);
                None
            }
        }
    }

    /// A step that runs nothing.
    fn milestone(&self, report: &mut Report) -> Work {
        if self.place.is_cleanup {
            let message = "says nothing to run, and a milestone is of no use in the cleanup: give it one of `job`, \
                           `workflow` or `steps`, or remove it";
            self.fields.whole.add(report, message);
        }
        for key in ["params", "for_each", "retry", "repeat", "timeout", "on_failure"] {
            let reason = "a step without work is a milestone, which has no use for it: say what it runs (`job`, `workflow`, \
                          `steps` or `wait_for: signal`), or remove this";
            self.fields.refuse(key, reason, report);
        }
        Work::Milestone
    }

    fn signal(&self, field: &Field<'_>, report: &mut Report) -> Option<Work> {
        self.fields.refuse(
            "for_each",
            "`wait_for` waits for one answer; put it into nested `steps` to wait in every batch",
            report,
        );
        self.fields.refuse("retry", "nothing is tried that could fail; `timeout` says how long it waits", report);
        self.fields.refuse("repeat", "there is nothing to repeat about waiting; remove it", report);
        field.word(&[("signal", ())], report).map(|()| Work::Signal)
    }

    /// Reads how the step is repeated.
    pub(super) fn repeat(&self, report: &mut Report) -> Option<Repeat> {
        let field = self.fields.get("repeat")?;
        if self.fans_out() {
            field.add(
                report,
                "`repeat` and `for_each` exclude each other; put the one into nested `steps` of the other",
            );
        }
        let fields = Fields::of(&field, &["until", "max", "delay"], report)?;
        let until = fields.require("until", "an expression that holds after the last round", report);
        let max = fields.require("max", "the most rounds, after which the step has failed", report);
        let visible = self.visible(false, true, true);
        let name = self.name("repeat.until");
        let until = until.and_then(|field| Compiling { visible: &visible, report }.expression(&field, &name));
        let max = max.and_then(|field| field.number(1..=limits::ROUNDS, report));
        let delay = fields.get("delay").and_then(|field| field.duration(report));
        Some(Repeat { until: until?, max: max?, delay })
    }

    fn nested(&self, field: &Field<'_>, title: &str, document: &mut Document<'_>) -> Option<Definition> {
        let outside = self.place.chain;
        let name = match JobType::new(format!("{}.{}", outside.name, self.key)) {
            Ok(name) => name,
            Err(error) => {
                field.add(document.report, format!("the name of the nested steps: {error}"));
                return None;
            }
        };
        let path: Vec<String> = outside.path.iter().cloned().chain([self.key.to_owned()]).collect();
        let outer: Vec<String> = outside.outer.iter().chain(self.place.main).chain(self.place.keys).cloned().collect();
        let chain = Chain {
            name: &name,
            root: outside.root,
            path: &path,
            // `params` of their own replace what the workflow was given.
            input: outside.input.filter(|_| self.fields.get("params").is_none()),
            outer: &outer,
            in_batch: self.fans_out(),
            in_cleanup: outside.in_cleanup || self.place.is_cleanup,
            level: outside.level + 1,
        };
        parse::nested(field, &chain, title, document)
    }

    pub(super) fn finish_if(&self, report: &mut Report) -> Vec<FinishIf> {
        let Some(field) = self.fields.get("finish_if") else { return Vec::new() };
        let what = "a list of entries with `when`, `message` and perhaps `skip`";
        let entries = field.list(what, report).unwrap_or_default();
        if entries.len() > limits::FINISH_IF {
            field.add(report, format!("has {} entries; at most {} are allowed", entries.len(), limits::FINISH_IF));
        }
        entries.iter().enumerate().filter_map(|(index, entry)| self.finish_entry(index, entry, report)).collect()
    }

    fn finish_entry(&self, index: usize, entry: &Field<'_>, report: &mut Report) -> Option<FinishIf> {
        let fields = Fields::of(entry, &["when", "message", "skip"], report)?;
        let when = fields.require("when", "the condition under which the workflow ends here", report);
        let message = fields.require("message", "what people are told when the workflow ends here", report);
        let visible = self.visible(false, true, false);
        let mut compiling = Compiling { visible: &visible, report };
        let name = |part: &str| self.name(&format!("finish_if[{index}].{part}"));
        let when = when.and_then(|field| compiling.expression(&field, &name("when")));
        let message = message.and_then(|field| {
            field.text("a text", compiling.report)?;
            compiling.template(&field, &name("message"))
        });
        let skip = fields.get("skip").and_then(|field| field.bool(report)).unwrap_or(false);
        Some(FinishIf { when: when?, message: message?, skip })
    }
}

/// `5` batches or `5%` of them.
fn tolerate(field: &Field<'_>, report: &mut Report) -> Option<Tolerate> {
    let tolerate = match &field.node.content {
        Content::Number(number) => number.as_u64().and_then(|count| u32::try_from(count).ok()).map(Tolerate::Count),
        Content::Text(text) => text.trim().strip_suffix('%').and_then(hundredths).map(Tolerate::Percent),
        _ => None,
    };
    if tolerate.is_none() {
        let given = match field.node {
            Node { content: Content::Text(text), .. } => format!("the text {:?}", shorten(text, 40)),
            Node { content: Content::Number(number), .. } => format!("the number {number}"),
            other => other.kind().to_owned(),
        };
        let message = format!(
            "must be a number of batches (5) or a share of them (\"5%\", \"0.5%\", at most 100%); it is {given}"
        );
        field.add(report, message);
    }
    tolerate
}

/// Percent with at most two decimals, as hundredths.
fn hundredths(percent: &str) -> Option<u32> {
    let (whole, fraction) = percent.trim().split_once('.').unwrap_or((percent.trim(), "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 3 || fraction.len() > 2 {
        return None;
    }
    let fraction: u32 = format!("{fraction:0<2}").parse().ok()?;
    let hundredths = whole.parse::<u32>().ok()? * 100 + fraction;
    (hundredths <= 10_000).then_some(hundredths)
}
