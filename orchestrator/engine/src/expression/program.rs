//! A compiled expression: CEL's syntax tree with every name resolved, every limit checked and every macro recognised.

use std::fmt::Write;

use regex::Regex;

use super::functions::Function;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Literal(Literal),
    /// A place in the scope that is known without evaluating anything.
    Path(Path),
    /// `has()` of such a place.
    HasPath(Path),
    /// A loop's variable: how many loops stand around the loop that binds it.
    Variable(usize),
    Select(Box<Node>, String),
    Has(Box<Node>, Key),
    Index(Box<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// `condition ? then : else`
    Choose(Box<[Node; 3]>),
    Binary(Operator, Box<[Node; 2]>),
    Call(Function, Vec<Node>),
    Matches(Box<Node>, Regex),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Loop(Box<Loop>),
}

/// A value written in the expression.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i128),
    Double(f64),
    Text(String),
}

/// Operators that evaluate both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

/// A macro that evaluates `body` for each element of `range`.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    pub(super) kind: LoopKind,
    pub(super) range: Node,
    /// The condition of all but `Map`.
    pub(super) condition: Option<Node>,
    /// What `Map` makes of an element.
    pub(super) body: Option<Node>,
}

/// Which macro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// With a condition: `map(x, condition, body)`.
    Map,
}

/// A place in the scope.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) keys: Vec<Key>,
    /// As a person writes it; also the name under which a bound template keeps its value.
    pub(super) text: String,
}

/// Where a path begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Input,
    Step(String),
    Batch,
    Repeat,
    Workflow,
}

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Field(String),
    Index(usize),
}

impl Path {
    pub(super) fn new(root: Root, keys: Vec<Key>) -> Self {
        let mut text = match &root {
            Root::Input => "input".to_owned(),
            Root::Step(key) => format!("steps.{key}"),
            Root::Batch => "batch".to_owned(),
            Root::Repeat => "repeat".to_owned(),
            Root::Workflow => "workflow".to_owned(),
        };
        for key in &keys {
            key.append_to(&mut text);
        }
        Self { root, keys, text }
    }

    /// How the place above is written.
    pub(super) fn parent_text(&self, keys: usize) -> String {
        Self::new(self.root.clone(), self.keys[..keys].to_vec()).text
    }
}

impl Key {
    pub(super) fn append_to(&self, text: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Field(name) if is_identifier(name) => write!(text, ".{name}"),
            Self::Field(name) => write!(text, "[{name:?}]"),
            Self::Index(index) => write!(text, "[{index}]"),
        };
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Node {
    /// Shows every path in it; `true` for those that `has()` asks about.
    pub(super) fn visit_paths(&self, visit: &mut impl FnMut(&Path, bool)) {
        match self {
            Self::Literal(_) | Self::Variable(_) => {}
            Self::Path(path) => visit(path, false),
            Self::HasPath(path) => visit(path, true),
            Self::Select(inner, _)
            | Self::Has(inner, _)
            | Self::Not(inner)
            | Self::Negate(inner)
            | Self::Matches(inner, _) => {
                inner.visit_paths(visit);
            }
            Self::Index(nodes) | Self::And(nodes) | Self::Or(nodes) | Self::Binary(_, nodes) => {
                nodes.iter().for_each(|node| node.visit_paths(visit));
            }
            Self::Choose(nodes) => nodes.iter().for_each(|node| node.visit_paths(visit)),
            Self::Call(_, nodes) | Self::List(nodes) => nodes.iter().for_each(|node| node.visit_paths(visit)),
            Self::Map(entries) => {
                for (key, value) in entries {
                    key.visit_paths(visit);
                    value.visit_paths(visit);
                }
            }
            Self::Loop(looped) => {
                looped.range.visit_paths(visit);
                for node in [&looped.condition, &looped.body].into_iter().flatten() {
                    node.visit_paths(visit);
                }
            }
        }
    }
}
