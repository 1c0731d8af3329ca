//! Collecting problems, and reading mappings key by key.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use super::{
    DefinitionError, Problem,
    document::{Content, Entry, Node, Position},
    duration, limits,
};
use crate::expression::{shorten, suggest};

/// Keys that later versions will know, so that nobody takes them for a slip.
const RESERVED: [(&str, &str); 1] = [("needs", "running steps in another order than the one they stand in")];

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    /// Problems that were counted only.
    dropped: usize,
}

impl Report {
    pub(super) fn add(&mut self, at: Position, path: &str, message: impl Into<String>) {
        if self.problems.len() >= limits::PROBLEMS_KEPT {
            self.dropped += 1;
            return;
        }
        self.problems.push(Problem {
            line: at.line,
            column: at.column,
            path: path.to_owned(),
            message: message.into(),
        });
    }

    /// How many problems there are.
    pub(super) const fn len(&self) -> usize {
        self.problems.len()
    }

    pub(super) fn into_error(mut self, file: &str) -> DefinitionError {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        self.problems.dedup();
        let more = self.problems.len().saturating_sub(limits::PROBLEMS) + self.dropped;
        self.problems.truncate(limits::PROBLEMS);
        DefinitionError { file: file.to_owned(), problems: self.problems, more }
    }
}

/// A mapping whose keys are known in advance.
pub(super) struct Fields<'n> {
    pub(super) whole: Field<'n>,
    entries: &'n [Entry],
}

/// A value and what a person calls its place.
#[derive(Clone)]
pub(super) struct Field<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
}

impl<'n> Fields<'n> {
    /// Takes a mapping; reports anything else and unknown keys.
    pub(super) fn of(field: &Field<'n>, known: &[&str], report: &mut Report) -> Option<Self> {
        let Content::Map(entries) = &field.node.content else {
            let message = format!("must be a mapping with the keys {}; it is {}", known.join(", "), field.node.kind());
            report.add(field.node.at, &field.path, message);
            return None;
        };
        for entry in entries {
            let path = field.below(&shorten(&entry.key, 80), &entry.value).path;
            if let Some((_, purpose)) = RESERVED.iter().find(|(name, _)| *name == entry.key) {
                report.add(entry.key_at, &path, format!("not supported yet ({purpose}); remove it"));
            } else if !known.contains(&entry.key.as_str()) {
                report.add(entry.key_at, &path, format!("unknown key: {}", suggest::known(&entry.key, known)));
            }
        }
        Some(Self { whole: field.clone(), entries })
    }

    pub(super) fn get(&self, key: &str) -> Option<Field<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(self.whole.below(key, &entry.value))
    }

    /// As [`Self::get`]; reports a missing key.
    pub(super) fn require(&self, key: &str, purpose: &str, report: &mut Report) -> Option<Field<'n>> {
        let field = self.get(key);
        if field.is_none() {
            self.whole.add(report, format!("`{key}` is missing: {purpose}"));
        }
        field
    }

    /// Reports a key that makes no sense here.
    pub(super) fn refuse(&self, key: &str, reason: &str, report: &mut Report) {
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key) {
            report.add(entry.key_at, &self.whole.below(key, &entry.value).path, reason);
        }
    }
}

impl<'n> Field<'n> {
    /// The value of one of its keys.
    pub(super) fn below(&self, key: &str, node: &'n Node) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { node, path }
    }

    /// One of its elements.
    pub(super) fn element(&self, index: usize, node: &'n Node) -> Self {
        Self { node, path: format!("{}[{index}]", self.path) }
    }

    pub(super) fn add(&self, report: &mut Report, message: impl Into<String>) {
        report.add(self.node.at, &self.path, message);
    }

    fn expected<T>(&self, what: impl Display, report: &mut Report) -> Option<T> {
        let given = match &self.node.content {
            Content::Text(text) => format!("the text {:?}", shorten(text, 60)),
            Content::Number(number) => format!("the number {number}"),
            Content::Bool(value) => value.to_string(),
            _ => self.node.kind().to_owned(),
        };
        self.add(report, format!("must be {what}; it is {given}"));
        None
    }

    pub(super) fn list(&self, what: &str, report: &mut Report) -> Option<Vec<Self>> {
        let Content::List(nodes) = &self.node.content else { return self.expected(what, report) };
        Some(nodes.iter().enumerate().map(|(index, node)| self.element(index, node)).collect())
    }

    pub(super) fn text(&self, what: &str, report: &mut Report) -> Option<&'n str> {
        match &self.node.content {
            Content::Text(text) => Some(text),
            _ => self.expected(what, report),
        }
    }

    /// A line for people.
    pub(super) fn title(&self, report: &mut Report) -> Option<String> {
        let text = self.text("a text", report)?.trim();
        let letters = text.chars().count();
        if letters == 0 || letters > limits::TITLE_CHARS || text.chars().any(char::is_control) {
            let message =
                format!("must be one line of 1 to {} characters; {:?} is not", limits::TITLE_CHARS, shorten(text, 60));
            self.add(report, message);
            return None;
        }
        Some(text.to_owned())
    }

    pub(super) fn bool(&self, report: &mut Report) -> Option<bool> {
        match self.node.content {
            Content::Bool(value) => Some(value),
            _ => self.expected("true or false", report),
        }
    }

    pub(super) fn number(&self, range: RangeInclusive<u32>, report: &mut Report) -> Option<u32> {
        let number = match &self.node.content {
            Content::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            _ => None,
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => Some(number),
            None => self.expected(format_args!("a whole number from {} to {}", range.start(), range.end()), report),
        }
    }

    pub(super) fn duration(&self, report: &mut Report) -> Option<Duration> {
        let text = match &self.node.content {
            Content::Text(text) => text.as_str(),
            Content::Number(number) => {
                self.add(report, format!("{number} has no unit: write e.g. \"{number}s\" (units: ms, s, m, h, d)"));
                return None;
            }
            _ => return self.expected("a duration such as \"30s\"", report),
        };
        match duration::parse(text) {
            Ok(parsed) if parsed > limits::TIMEOUT => {
                self.add(report, format!("{text:?} is too long: at most {}", duration::format(limits::TIMEOUT)));
                None
            }
            Ok(parsed) => Some(parsed),
            Err(message) => {
                self.add(report, message);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)], report: &mut Report) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let text = self.text(&format!("one of {}", names.join(", ")), report)?;
        let found = words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            self.add(report, format!("{:?} is not accepted: {}", shorten(text, 60), suggest::known(text, &names)));
        }
        found
    }

    /// The value at a JSON pointer below this one, with its place; the value itself where the pointer leads nowhere.
    pub(super) fn at_pointer(&self, pointer: &str) -> Self {
        let mut found = self.clone();
        for token in pointer.split('/').skip(1) {
            let name = token.replace("~1", "/").replace("~0", "~");
            let next = match &found.node.content {
                Content::Map(entries) => {
                    entries.iter().find(|entry| entry.key == name).map(|entry| found.below(&name, &entry.value))
                }
                Content::List(nodes) => {
                    let index = name.parse().ok();
                    index.and_then(|index: usize| Some(found.element(index, nodes.get(index)?)))
                }
                _ => None,
            };
            let Some(next) = next else { break };
            found = next;
        }
        found
    }
}
