//! Evaluating a compiled expression. Every node and every element costs fuel; nothing here can panic or run away.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc};

use super::{
    Scope,
    bind::Captured,
    error::shorten,
    fault::{Fault, Fuel},
    functions, operators, path,
    program::{Literal, Loop, LoopKind, Node, Path, Root},
    value::Val,
};

/// Units of work that an error costs which something else may outweigh: its text is made all the same.
const FAULT_UNITS: usize = 500;

/// One evaluation.
pub(super) struct Machine<'a> {
    scope: &'a Scope,
    captured: &'a BTreeMap<String, Captured>,
    fuel: Fuel,
    /// The variables of the loops that are running, outermost first.
    variables: Vec<Val<'a>>,
}

impl<'a> Machine<'a> {
    pub(super) const fn new(scope: &'a Scope, captured: &'a BTreeMap<String, Captured>) -> Self {
        Self { scope, captured, fuel: Fuel::new(), variables: Vec::new() }
    }

    pub(super) fn eval(&mut self, node: &'a Node) -> Result<Val<'a>, Fault> {
        self.fuel.burn(1)?;
        match node {
            Node::Literal(literal) => Ok(constant(literal)),
            Node::Path(path) => self.path(path),
            Node::HasPath(path) => self.has_path(path),
            Node::Variable(slot) => Ok(self.variables.get(*slot).cloned().unwrap_or(Val::Null)),
            Node::Select(base, name) => {
                let value = self.eval(base)?;
                path::select(&value, name, || place(base))
            }
            Node::Has(base, name) => {
                let value = self.eval(base)?;
                path::has(&value, name, || place(base)).map(Val::Bool)
            }
            Node::Index(sides) => self.index(sides),
            Node::Not(inner) => self.bool(inner, "!").map(|value| Val::Bool(!value)),
            Node::Negate(inner) => operators::negate(&self.eval(inner)?),
            Node::And(sides) => self.connect(sides, "&&", false),
            Node::Or(sides) => self.connect(sides, "||", true),
            Node::Choose(parts) => {
                let [condition, yes, no] = &**parts;
                if self.bool(condition, "?:")? { self.eval(yes) } else { self.eval(no) }
            }
            Node::Binary(operator, sides) => {
                let left = self.eval(&sides[0])?;
                let right = self.eval(&sides[1])?;
                operators::apply(&mut self.fuel, *operator, &left, &right)
            }
            Node::Call(function, arguments) => {
                let values = arguments.iter().map(|node| self.eval(node)).collect::<Result<Vec<_>, _>>()?;
                functions::call(&mut self.fuel, *function, &values)
            }
            Node::Matches(text, pattern) => {
                let value = self.eval(text)?;
                let text = functions::text("matches", &value)?;
                self.fuel.burn(text.len() / 2)?;
                Ok(Val::Bool(pattern.is_match(text)))
            }
            Node::List(nodes) => {
                let values = nodes.iter().map(|node| self.eval(node)).collect::<Result<Vec<_>, _>>()?;
                Ok(Val::List(Rc::new(values)))
            }
            Node::Map(entries) => self.map(entries),
            Node::Loop(looped) => self.run(looped),
        }
    }

    fn path(&mut self, path: &Path) -> Result<Val<'a>, Fault> {
        self.fuel.burn(path.keys.len())?;
        match self.captured(path, &path.text) {
            Some(captured) => captured.value(),
            None => path::resolve(path, self.scope),
        }
    }

    fn has_path(&mut self, path: &Path) -> Result<Val<'a>, Fault> {
        self.fuel.burn(path.keys.len())?;
        match self.captured(path, &has_name(path)) {
            Some(captured) => captured.value(),
            None => path::exists(path, self.scope).map(Val::Bool),
        }
    }

    fn captured(&self, path: &Path, name: &str) -> Option<&'a Captured> {
        if path.root == Root::Batch { None } else { self.captured.get(name) }
    }

    fn bool(&mut self, node: &'a Node, sign: &str) -> Result<bool, Fault> {
        match self.eval(node)? {
            Val::Bool(value) => Ok(value),
            other => Fault::failed(format!("`{sign}` needs true or false, not {}", other.describe())),
        }
    }

    /// `&&` and `||`: the side that decides outweighs an error on the other one.
    fn connect(&mut self, sides: &'a [Node; 2], sign: &str, deciding: bool) -> Result<Val<'a>, Fault> {
        let left = match self.bool(&sides[0], sign) {
            Ok(value) if value == deciding => return Ok(Val::Bool(deciding)),
            Err(fault) if fault.is_limit() => return Err(fault),
            Err(fault) => {
                self.fuel.burn(FAULT_UNITS)?;
                Err(fault)
            }
            left => left,
        };
        let right = self.bool(&sides[1], sign)?;
        if right == deciding { Ok(Val::Bool(deciding)) } else { left.map(|_| Val::Bool(right)) }
    }

    fn index(&mut self, sides: &'a [Node; 2]) -> Result<Val<'a>, Fault> {
        let value = self.eval(&sides[0])?;
        let key = self.eval(&sides[1])?;
        let place = || place(&sides[0]);
        if let Some(name) = key.as_text() {
            return path::select(&value, name, place);
        }
        match key {
            Val::Int(index) => path::element(&value, index, place),
            #[allow(clippy::cast_possible_truncation, reason = "whole, and saturation is out of any list's range")]
            Val::Double(index) if index.fract() == 0.0 => path::element(&value, index as i128, place),
            other => Fault::failed(format!("[…] needs a whole number or a text, not {}", other.describe())),
        }
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Result<Val<'a>, Fault> {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let key = match self.eval(key)? {
                Val::Text(text) => Cow::Borrowed(text),
                Val::Owned(text) => Cow::Owned(text.to_string()),
                other => {
                    return Fault::failed(format!("the keys of an object are texts, not {}", other.describe()));
                }
            };
            if map.contains_key(&key) {
                return Fault::failed(format!("the key {:?} stands twice in an object", shorten(&key, 40)));
            }
            let value = self.eval(value)?;
            map.insert(key, value);
        }
        Ok(Val::Map(Rc::new(map)))
    }

    fn run(&mut self, looped: &'a Loop) -> Result<Val<'a>, Fault> {
        let range = self.eval(&looped.range)?;
        let elements = self.elements(&range, &looped.range)?;
        let depth = self.variables.len();
        let mut fold = Fold { kind: looped.kind, matches: 0, fault: None, list: Vec::new() };
        for element in elements {
            self.variables.push(element);
            let done = self.turn(looped, &mut fold);
            self.variables.truncate(depth);
            if done? {
                break;
            }
        }
        fold.finish()
    }

    /// What a loop goes over: the elements of a list or the keys of an object.
    fn elements(&mut self, range: &Val<'a>, node: &Node) -> Result<Vec<Val<'a>>, Fault> {
        if let Some(list) = range.as_list() {
            self.fuel.burn_list(list.len())?;
            return Ok(list.iter().collect());
        }
        if let Some(count) = range.items_count() {
            return Fault::failed(format!("{} {}", place(node), path::kept_apart(count)));
        }
        match range.key_count() {
            Some(keys) => {
                self.fuel.burn_list(keys)?;
                Ok(range.keys(keys).unwrap_or_default())
            }
            None => Fault::failed(format!("a loop needs a list or an object, not {}", range.describe())),
        }
    }

    /// One turn of a loop; whether it was the last one.
    fn turn(&mut self, looped: &'a Loop, fold: &mut Fold<'a>) -> Result<bool, Fault> {
        let holds = match &looped.condition {
            Some(condition) => match self.bool(condition, fold.kind.name()) {
                Ok(holds) => holds,
                // A later element may still decide, as with `&&` and `||`.
                Err(fault) if fold.kind.outweighs_faults() && !fault.is_limit() => {
                    self.fuel.burn(FAULT_UNITS)?;
                    fold.fault = Some(fault);
                    return Ok(false);
                }
                Err(fault) => return Err(fault),
            },
            None => true,
        };
        match fold.kind {
            LoopKind::All if !holds => fold.matches = 1,
            LoopKind::Exists if holds => fold.matches = 1,
            LoopKind::ExistsOne if holds => fold.matches += 1,
            LoopKind::Filter if holds => fold.list.extend(self.variables.last().cloned()),
            LoopKind::Map if holds => {
                if let Some(body) = &looped.body {
                    let value = self.eval(body)?;
                    fold.list.push(value);
                }
            }
            _ => {}
        }
        Ok(fold.kind.outweighs_faults() && fold.matches > 0)
    }
}

/// What a loop has come to.
struct Fold<'a> {
    kind: LoopKind,
    /// `all`: elements for which the condition is false; `exists`, `exists_one`: for which it is true.
    matches: usize,
    fault: Option<Fault>,
    list: Vec<Val<'a>>,
}

impl<'a> Fold<'a> {
    fn finish(self) -> Result<Val<'a>, Fault> {
        match (self.kind, self.fault) {
            (LoopKind::All | LoopKind::Exists, Some(fault)) if self.matches == 0 => Err(fault),
            (LoopKind::All, _) => Ok(Val::Bool(self.matches == 0)),
            (LoopKind::Exists, _) => Ok(Val::Bool(self.matches > 0)),
            (LoopKind::ExistsOne, _) => Ok(Val::Bool(self.matches == 1)),
            (LoopKind::Filter | LoopKind::Map, _) => Ok(Val::List(Rc::new(self.list))),
        }
    }
}

impl LoopKind {
    const fn outweighs_faults(self) -> bool {
        matches!(self, Self::All | Self::Exists)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Filter => "filter",
            Self::Map => "map",
        }
    }
}

fn constant(literal: &Literal) -> Val<'_> {
    match literal {
        Literal::Null => Val::Null,
        Literal::Bool(value) => Val::Bool(*value),
        Literal::Int(value) => Val::Int(*value),
        Literal::Double(value) => Val::Double(*value),
        Literal::Text(text) => Val::Text(text),
    }
}

/// What errors call the value of a node.
fn place(node: &Node) -> String {
    match node {
        Node::Path(path) => path.text.clone(),
        _ => "the value".into(),
    }
}

/// The name under which a bound template keeps what `has()` of a path came to.
pub(super) fn has_name(path: &Path) -> String {
    format!("has({})", path.text)
}
