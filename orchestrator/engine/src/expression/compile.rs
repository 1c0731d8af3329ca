//! From CEL's syntax tree to a [`Node`]: the grammar is the `cel` crate's, names and limits are checked here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::{
    Env, IdedExpr,
    common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators as op},
};
use regex::RegexBuilder;

use super::{
    CompileError, References, StepUse,
    error::shorten,
    functions, limits,
    program::{Key, Literal, Loop, LoopKind, Node, Operator, Path, Root},
    scan, suggest,
};

const ROOTS: [&str; 5] = ["input", "steps", "batch", "repeat", "workflow"];
const STEP_FIELDS: [&str; 4] = ["status", "result", "error", "totals"];
const BATCH_FIELDS: [&str; 3] = ["index", "count", "items"];
const REPEAT_FIELDS: [&str; 2] = ["round", "max"];
const WORKFLOW_FIELDS: [&str; 2] = ["id", "attempt"];
/// Most memory of a compiled `matches` pattern, in bytes.
const PATTERN_BYTES: usize = 256 * 1024;

/// Compiles a source.
pub(super) fn compile(source: &str) -> Result<(Node, References), CompileError> {
    if source.trim().is_empty() {
        return Err(CompileError::new("the expression is empty"));
    }
    if source.len() > limits::SOURCE_BYTES {
        let message =
            format!("the expression has {} bytes; at most {} are allowed", source.len(), limits::SOURCE_BYTES);
        return Err(CompileError::new(message));
    }
    if scan::token_count(source) > limits::TOKENS {
        return Err(CompileError::new(too_complex()));
    }
    let tree = parse(source)?;
    let mut lowering = Lowering { references: References::default(), variables: Vec::new(), depth: 0 };
    let node = lowering.node(&tree).map_err(CompileError::new)?;
    Ok((node, lowering.references))
}

fn too_complex() -> String {
    format!(
        "the expression is too long or nested too deep (at most {} words and signs, {} levels); split it up",
        limits::TOKENS,
        limits::DEPTH
    )
}

/// Parses with no macros: they stay calls, and become loops here.
fn parse(source: &str) -> Result<IdedExpr, CompileError> {
    // The parser is generated code of two other crates; a panic in it must stay an error of this one expression.
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        Env::default().with_optional_support(false).parser().error_recovery_limit(1).parse(source)
    }));
    let errors = match parsed {
        Ok(Ok(tree)) => return Ok(tree),
        Ok(Err(errors)) => errors.errors,
        Err(_) => return Err(CompileError::new("not a valid expression")),
    };
    let Some(first) = errors.into_iter().next() else {
        return Err(CompileError::new("not a valid expression"));
    };
    if first.msg.contains("Recursion limit") {
        return Err(CompileError::new(too_complex()));
    }
    // What the grammar would have accepted instead is a list of forty signs: of no help.
    let cause = first.msg.split(" expecting ").next().unwrap_or_default().trim_start_matches("Syntax error: ");
    let error = CompileError::new(format!("not a valid expression: {}", shorten(cause, 120)));
    Err(match (first.pos.0, usize::try_from(first.pos.1)) {
        (1, Ok(column)) if column > 0 => error.at(column),
        _ => error,
    })
}

struct Lowering {
    references: References,
    /// The variables of the loops around, outermost first.
    variables: Vec<String>,
    depth: usize,
}

type Lowered<T = Node> = Result<T, String>;

impl Lowering {
    fn node(&mut self, tree: &IdedExpr) -> Lowered {
        if self.depth >= limits::DEPTH {
            return Err(too_complex());
        }
        self.depth += 1;
        let node = self.node_below(tree);
        self.depth -= 1;
        node
    }

    fn node_below(&mut self, tree: &IdedExpr) -> Lowered {
        if let Some(path) = self.path(tree)? {
            return Ok(Node::Path(path));
        }
        match &tree.expr {
            Expr::Literal(literal) => constant(literal).map(Node::Literal),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => Ok(Node::Select(Box::new(self.node(&select.operand)?), select.field.clone())),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.nodes(&list.elements).map(Node::List),
            Expr::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { return Err("not a valid object".into()) };
                    entries.push((self.node(&entry.key)?, self.node(&entry.value)?));
                }
                Ok(Node::Map(entries))
            }
            Expr::Struct(object) => {
                let message =
                    format!("`{}{{…}}` makes no type; an object is written {{'key': value}}", object.type_name);
                Err(message)
            }
            Expr::Comprehension(_) | Expr::Unspecified => Err("not a valid expression".into()),
        }
    }

    fn nodes(&mut self, trees: &[IdedExpr]) -> Lowered<Vec<Node>> {
        trees.iter().map(|tree| self.node(tree)).collect()
    }

    fn variable(&self, name: &str) -> Lowered {
        self.variables.iter().rposition(|known| known == name).map(Node::Variable).ok_or_else(|| {
            let mut known = ROOTS.to_vec();
            known.extend(self.variables.iter().map(String::as_str));
            format!("`{name}` is not known here: {}", suggest::known(name, &known))
        })
    }

    /// The path that the tree spells, if it spells one: `input.a["b"][0]`.
    fn path(&mut self, tree: &IdedExpr) -> Lowered<Option<Path>> {
        let mut keys = Vec::new();
        let mut tree = tree;
        let root = loop {
            match &tree.expr {
                Expr::Ident(name) => break name.as_str(),
                Expr::Select(select) => {
                    keys.push(Key::Field(select.field.clone()));
                    tree = &select.operand;
                }
                Expr::Call(call) if call.func_name == op::INDEX && call.args.len() == 2 => {
                    let Some(key) = constant_key(&call.args[1]) else { return Ok(None) };
                    keys.push(key);
                    tree = &call.args[0];
                }
                _ => return Ok(None),
            }
        };
        if !ROOTS.contains(&root) || self.variables.iter().any(|variable| variable == root) {
            return Ok(None);
        }
        keys.reverse();
        self.rooted(root, keys).map(Some)
    }

    /// Checks a path's first keys and notes what it reads.
    fn rooted(&mut self, root: &str, mut keys: Vec<Key>) -> Lowered<Path> {
        let root = match root {
            "input" => {
                self.references.input = true;
                Root::Input
            }
            "batch" => {
                known_field("batch", keys.first(), &BATCH_FIELDS)?;
                self.references.batch = true;
                Root::Batch
            }
            "repeat" => {
                known_field("repeat", keys.first(), &REPEAT_FIELDS)?;
                self.references.repeat = true;
                Root::Repeat
            }
            "workflow" => {
                known_field("workflow", keys.first(), &WORKFLOW_FIELDS)?;
                self.references.workflow = true;
                Root::Workflow
            }
            _ => {
                if keys.is_empty() {
                    return Err("`steps` must be followed by the key of a step, as in steps.validation.result".into());
                }
                let Key::Field(step) = keys.remove(0) else {
                    return Err("steps are named by their keys, not by numbers: steps.validation, not steps[0]".into());
                };
                known_field(&format!("steps.{step}"), keys.first(), &STEP_FIELDS)?;
                self.references.steps.entry(step.clone()).or_default().merge(step_use(keys.first()));
                Root::Step(step)
            }
        };
        Ok(Path::new(root, keys))
    }

    fn call(&mut self, call: &CallExpr) -> Lowered {
        if let Some(target) = &call.target {
            return self.method(target, call);
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            (op::CONDITIONAL, [condition, yes, no]) => {
                Ok(Node::Choose(Box::new([self.node(condition)?, self.node(yes)?, self.node(no)?])))
            }
            (op::LOGICAL_AND, [left, right]) => Ok(Node::And(self.sides(left, right)?)),
            (op::LOGICAL_OR, [left, right]) => Ok(Node::Or(self.sides(left, right)?)),
            (op::LOGICAL_NOT, [inner]) => Ok(Node::Not(Box::new(self.node(inner)?))),
            (op::NEGATE, [inner]) => Ok(Node::Negate(Box::new(self.node(inner)?))),
            (op::INDEX, [left, right]) => Ok(Node::Index(self.sides(left, right)?)),
            (op::HAS, [inner]) => self.has(inner),
            (name, [left, right]) if operator(name).is_some() => {
                let sides = self.sides(left, right)?;
                operator(name).map(|operator| Node::Binary(operator, sides)).ok_or_else(String::new)
            }
            (name, arguments) => {
                let function = functions::find(name, false, arguments.len())?;
                Ok(Node::Call(function, self.nodes(arguments)?))
            }
        }
    }

    fn sides(&mut self, left: &IdedExpr, right: &IdedExpr) -> Lowered<Box<[Node; 2]>> {
        Ok(Box::new([self.node(left)?, self.node(right)?]))
    }

    fn has(&mut self, inner: &IdedExpr) -> Lowered {
        if let Some(path) = self.path(inner)? {
            let what_there_always_is = path.keys.is_empty();
            return if what_there_always_is {
                Err(format!("has({}) asks for no key; write has({}.key)", path.text, path.text))
            } else {
                Ok(Node::HasPath(path))
            };
        }
        match &inner.expr {
            Expr::Select(select) => {
                Ok(Node::Has(Box::new(self.node(&select.operand)?), Key::Field(select.field.clone())))
            }
            _ => Err("has() takes a value and a key, as in has(input.path)".into()),
        }
    }

    fn method(&mut self, target: &IdedExpr, call: &CallExpr) -> Lowered {
        let kind = match call.func_name.as_str() {
            op::ALL => Some(LoopKind::All),
            op::EXISTS => Some(LoopKind::Exists),
            op::EXISTS_ONE | "existsOne" => Some(LoopKind::ExistsOne),
            op::FILTER => Some(LoopKind::Filter),
            op::MAP => Some(LoopKind::Map),
            _ => None,
        };
        if let Some(kind) = kind {
            return self.looped(kind, target, &call.args);
        }
        if call.func_name == "matches" {
            return self.matches(target, &call.args);
        }
        let function = functions::find(&call.func_name, true, call.args.len() + 1)?;
        let mut arguments = vec![self.node(target)?];
        arguments.extend(self.nodes(&call.args)?);
        Ok(Node::Call(function, arguments))
    }

    fn looped(&mut self, kind: LoopKind, target: &IdedExpr, arguments: &[IdedExpr]) -> Lowered {
        let (variable, condition, body) = match (kind, arguments) {
            (LoopKind::Map, [variable, body]) => (variable, None, Some(body)),
            (LoopKind::Map, [variable, condition, body]) => (variable, Some(condition), Some(body)),
            (_, [variable, condition]) if kind != LoopKind::Map => (variable, Some(condition), None),
            _ => {
                let name = kind.name();
                return Err(format!("`{name}` takes a variable and an expression, as in list.{name}(x, x.n > 0)"));
            }
        };
        let Expr::Ident(variable) = &variable.expr else {
            return Err(format!("the first argument of `{}` is a name for the element, e.g. x", kind.name()));
        };
        // `repeat` was no root once, and whoever called a variable so is still understood.
        if ROOTS.contains(&variable.as_str()) && variable != "repeat" {
            return Err(format!("`{variable}` has a meaning of its own; call the element something else"));
        }
        if self.variables.len() >= limits::LOOP_DEPTH {
            return Err(format!(
                "loops (map, filter, all, exists) may stand at most {} deep in each other; do more in a job",
                limits::LOOP_DEPTH
            ));
        }
        let range = self.node(target)?;
        self.variables.push(variable.clone());
        let inner = (condition.map(|tree| self.node(tree)).transpose(), body.map(|tree| self.node(tree)).transpose());
        self.variables.pop();
        Ok(Node::Loop(Box::new(Loop { kind, range, condition: inner.0?, body: inner.1? })))
    }

    fn matches(&mut self, target: &IdedExpr, arguments: &[IdedExpr]) -> Lowered {
        let [IdedExpr { expr: Expr::Literal(LiteralValue::String(pattern)), .. }] = arguments else {
            return Err("`matches` takes one pattern, written out as a text: x.matches('^a+$')".into());
        };
        let compiled = RegexBuilder::new(pattern.inner()).size_limit(PATTERN_BYTES).build().map_err(|error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("{:?} is not a pattern that `matches` understands: {reason}", pattern.inner())
        })?;
        Ok(Node::Matches(Box::new(self.node(target)?), compiled))
    }
}

fn known_field(place: &str, key: Option<&Key>, known: &[&str]) -> Lowered<()> {
    match key {
        None => Ok(()),
        Some(Key::Field(name)) if known.contains(&name.as_str()) => Ok(()),
        Some(key) => {
            let name = match key {
                Key::Field(name) => name.clone(),
                Key::Index(index) => index.to_string(),
            };
            Err(format!("{place} has no `{name}`: {}", suggest::known(&name, known)))
        }
    }
}

fn step_use(key: Option<&Key>) -> StepUse {
    let is = |name: &str| matches!(key, Some(Key::Field(field)) if field == name);
    if key.is_none() {
        return StepUse::ALL;
    }
    StepUse { status: is("status"), result: is("result"), error: is("error"), totals: is("totals") }
}

fn constant_key(tree: &IdedExpr) -> Option<Key> {
    match &tree.expr {
        Expr::Literal(LiteralValue::String(name)) => Some(Key::Field(name.inner().to_owned())),
        Expr::Literal(LiteralValue::Int(index)) => usize::try_from(*index.inner()).ok().map(Key::Index),
        _ => None,
    }
}

fn constant(literal: &LiteralValue) -> Lowered<Literal> {
    Ok(match literal {
        LiteralValue::Null => Literal::Null,
        LiteralValue::Boolean(value) => Literal::Bool(*value.inner()),
        LiteralValue::Int(value) => Literal::Int((*value.inner()).into()),
        LiteralValue::UInt(value) => Literal::Int((*value.inner()).into()),
        LiteralValue::Double(value) => Literal::Double(*value.inner()),
        LiteralValue::String(text) if text.inner().contains('\0') => {
            return Err("a text must not contain the character NUL: the database cannot hold it".into());
        }
        LiteralValue::String(text) => Literal::Text(text.inner().to_owned()),
        LiteralValue::Bytes(_) => return Err("bytes (b'…') are not supported; use a text".into()),
    })
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        op::ADD => Operator::Add,
        op::SUBSTRACT => Operator::Subtract,
        op::MULTIPLY => Operator::Multiply,
        op::DIVIDE => Operator::Divide,
        op::MODULO => Operator::Remainder,
        op::EQUALS => Operator::Equal,
        op::NOT_EQUALS => Operator::NotEqual,
        op::LESS => Operator::Less,
        op::LESS_EQUALS => Operator::LessOrEqual,
        op::GREATER => Operator::Greater,
        op::GREATER_EQUALS => Operator::GreaterOrEqual,
        op::IN => Operator::In,
        _ => return None,
    })
}
