//! The functions of expressions: CEL's for texts, numbers and lists, and a few that workflows want.

use std::{cmp::Ordering, rc::Rc};

use super::{
    fault::{Fault, Fuel, check_list, check_text},
    limits, operators, path,
    program::Operator,
    suggest,
    value::{ListView, Output, Val},
};

/// A function. A method's first argument is what it is called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Join,
    Replace,
    Substring,
    Text,
    Int,
    Double,
    Sum,
    Min,
    Max,
    Flatten,
}

/// How a function is called.
struct Signature {
    name: &'static str,
    function: Function,
    /// As `f(x)`.
    global: bool,
    /// As `x.f()`.
    method: bool,
    /// How many arguments, that before the dot included.
    arguments: std::ops::RangeInclusive<usize>,
}

const fn both(name: &'static str, function: Function) -> Signature {
    Signature { name, function, global: true, method: true, arguments: 1..=1 }
}

const fn global(name: &'static str, function: Function) -> Signature {
    Signature { name, function, global: true, method: false, arguments: 1..=1 }
}

const fn method(name: &'static str, function: Function, least: usize, most: usize) -> Signature {
    Signature { name, function, global: false, method: true, arguments: least..=most }
}

const SIGNATURES: [Signature; 18] = [
    both("size", Function::Size),
    both("sum", Function::Sum),
    both("min", Function::Min),
    both("max", Function::Max),
    both("flatten", Function::Flatten),
    global("string", Function::Text),
    global("int", Function::Int),
    global("double", Function::Double),
    method("contains", Function::Contains, 2, 2),
    method("startsWith", Function::StartsWith, 2, 2),
    method("endsWith", Function::EndsWith, 2, 2),
    method("lowerAscii", Function::LowerAscii, 1, 1),
    method("upperAscii", Function::UpperAscii, 1, 1),
    method("trim", Function::Trim, 1, 1),
    method("split", Function::Split, 2, 2),
    method("join", Function::Join, 1, 2),
    method("replace", Function::Replace, 3, 3),
    method("substring", Function::Substring, 2, 3),
];

/// Every name that can be called, macros included, for errors.
const NAMES: [&str; 26] = [
    "has",
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "filter",
    "map",
    "matches",
    "size",
    "sum",
    "min",
    "max",
    "flatten",
    "string",
    "int",
    "double",
    "contains",
    "startsWith",
    "endsWith",
    "lowerAscii",
    "upperAscii",
    "trim",
    "split",
    "join",
    "replace",
    "substring",
];

/// The function of a call with so many arguments, that before the dot included.
pub(super) fn find(name: &str, is_method: bool, arguments: usize) -> Result<Function, String> {
    let Some(signature) = SIGNATURES.iter().find(|signature| signature.name == name) else {
        return Err(format!("there is no function `{name}`: {}", suggest::known(name, &NAMES)));
    };
    if is_method && !signature.method {
        return Err(format!("`{name}` is called as {name}(x), not as x.{name}()"));
    }
    if !is_method && !signature.global {
        return Err(format!("`{name}` is called as x.{name}(…), not as {name}(x, …)"));
    }
    if !signature.arguments.contains(&arguments) {
        let given = arguments - usize::from(is_method);
        return Err(format!("`{name}` does not take {given} arguments"));
    }
    Ok(signature.function)
}

/// Calls a function. The compiler has checked the number of arguments.
pub(super) fn call<'a>(fuel: &mut Fuel, function: Function, arguments: &[Val<'a>]) -> Result<Val<'a>, Fault> {
    let nothing = Val::Null;
    let argument = |index: usize| arguments.get(index).unwrap_or(&nothing);
    let value = argument(0);
    match function {
        Function::Size => size(fuel, value),
        Function::Contains => two_texts(fuel, "contains", value, argument(1), |text, part| text.contains(part)),
        Function::StartsWith => two_texts(fuel, "startsWith", value, argument(1), |text, part| text.starts_with(part)),
        Function::EndsWith => two_texts(fuel, "endsWith", value, argument(1), |text, part| text.ends_with(part)),
        Function::LowerAscii => changed(fuel, "lowerAscii", value, str::to_ascii_lowercase),
        Function::UpperAscii => changed(fuel, "upperAscii", value, str::to_ascii_uppercase),
        Function::Trim => changed(fuel, "trim", value, |text| text.trim().to_owned()),
        Function::Split => split(fuel, value, argument(1)),
        Function::Join => join(fuel, value, arguments.get(1)),
        Function::Replace => replace(fuel, value, argument(1), argument(2)),
        Function::Substring => substring(fuel, value, argument(1), arguments.get(2)),
        Function::Text => display(fuel, value).map(|text| Val::Owned(text.into())),
        Function::Int => to_int(value),
        Function::Double => to_double(value),
        Function::Sum => sum(fuel, value),
        Function::Min => extreme(fuel, "min", value, Ordering::Less),
        Function::Max => extreme(fuel, "max", value, Ordering::Greater),
        Function::Flatten => flatten(fuel, value),
    }
}

/// A text argument.
pub(super) fn text<'v>(name: &str, value: &'v Val<'_>) -> Result<&'v str, Fault> {
    value.as_text().ok_or_else(|| Fault::Failed(format!("`{name}` needs a text, not {}", value.describe())))
}

fn list<'a>(fuel: &mut Fuel, name: &str, value: &Val<'a>) -> Result<ListView<'a>, Fault> {
    if let Some(count) = value.items_count() {
        return Fault::failed(format!("`{name}`: the value {}", path::kept_apart(count)));
    }
    let Some(list) = value.as_list() else {
        return Fault::failed(format!("`{name}` needs a list, not {}", value.describe()));
    };
    fuel.burn_list(list.len())?;
    Ok(list)
}

fn count<'a>(number: usize) -> Val<'a> {
    Val::Int(i128::try_from(number).unwrap_or(i128::MAX))
}

fn size<'a>(fuel: &mut Fuel, value: &Val<'a>) -> Result<Val<'a>, Fault> {
    if let Some(items) = value.items_count() {
        return Ok(Val::Int(items.into()));
    }
    if let Some(text) = value.as_text() {
        fuel.burn_text(text.len())?;
        return Ok(count(text.chars().count()));
    }
    if let Some(list) = value.as_list() {
        return Ok(count(list.len()));
    }
    match value.key_count() {
        Some(keys) => Ok(count(keys)),
        None => Fault::failed(format!("`size` needs a text, a list or an object, not {}", value.describe())),
    }
}

fn two_texts<'a>(
    fuel: &mut Fuel,
    name: &str,
    value: &Val<'a>,
    part: &Val<'a>,
    holds: fn(&str, &str) -> bool,
) -> Result<Val<'a>, Fault> {
    let (value, part) = (text(name, value)?, text(name, part)?);
    fuel.burn_text(value.len().max(part.len()))?;
    Ok(Val::Bool(holds(value, part)))
}

fn changed<'a>(fuel: &mut Fuel, name: &str, value: &Val<'a>, change: fn(&str) -> String) -> Result<Val<'a>, Fault> {
    let value = text(name, value)?;
    fuel.burn_text(value.len())?;
    Ok(Val::Owned(change(value).into()))
}

fn split<'a>(fuel: &mut Fuel, value: &Val<'a>, separator: &Val<'a>) -> Result<Val<'a>, Fault> {
    let (value, separator) = (text("split", value)?, text("split", separator)?);
    fuel.burn_text(value.len())?;
    // By an empty separator: into letters.
    let parts: Vec<Val<'a>> = if separator.is_empty() {
        value.chars().take(limits::LIST_ITEMS + 1).map(|c| Val::Owned(c.to_string().into())).collect()
    } else {
        value.split(separator).take(limits::LIST_ITEMS + 1).map(|part| Val::Owned(part.into())).collect()
    };
    fuel.burn_list(parts.len())?;
    Ok(Val::List(Rc::new(parts)))
}

fn join<'a>(fuel: &mut Fuel, value: &Val<'a>, separator: Option<&Val<'a>>) -> Result<Val<'a>, Fault> {
    let separator = separator.map_or(Ok(""), |separator| text("join", separator))?;
    let mut joined = String::new();
    for (index, element) in list(fuel, "join", value)?.iter().enumerate() {
        if index > 0 {
            joined.push_str(separator);
        }
        let part = text("join", &element)?;
        joined.push_str(part);
        fuel.burn((part.len() + separator.len()) / 8)?;
        check_text(joined.len())?;
    }
    Ok(Val::Owned(joined.into()))
}

fn replace<'a>(fuel: &mut Fuel, value: &Val<'a>, old: &Val<'a>, new: &Val<'a>) -> Result<Val<'a>, Fault> {
    let (value, old, new) = (text("replace", value)?, text("replace", old)?, text("replace", new)?);
    if old.is_empty() {
        return Fault::failed("`replace` needs something to look for: its first argument is empty");
    }
    fuel.burn_text(value.len())?;
    let found = value.matches(old).count();
    let length = value.len() - found * old.len() + found.saturating_mul(new.len());
    fuel.burn_text(length)?;
    Ok(Val::Owned(value.replace(old, new).into()))
}

fn substring<'a>(fuel: &mut Fuel, value: &Val<'a>, from: &Val<'a>, to: Option<&Val<'a>>) -> Result<Val<'a>, Fault> {
    let value = text("substring", value)?;
    fuel.burn_text(value.len())?;
    let letters = value.chars().count();
    let position = |val: &Val<'_>| match val {
        Val::Int(at) => usize::try_from(*at).ok().filter(|at| *at <= letters),
        _ => None,
    };
    let from_at = position(from);
    let to_at = to.map_or(Some(letters), position);
    match (from_at, to_at) {
        (Some(from), Some(to)) if from <= to => {
            let part: String = value.chars().skip(from).take(to - from).collect();
            Ok(Val::Owned(part.into()))
        }
        _ => Fault::failed(format!("`substring`: the text has {letters} letters; the positions do not fit")),
    }
}

/// A value as it stands in mixed text and as `string()` makes it: scalars bare, lists and objects as JSON.
pub(super) fn display(fuel: &mut Fuel, value: &Val<'_>) -> Result<String, Fault> {
    let shown = match value {
        Val::Null => "null".to_owned(),
        Val::Bool(value) => value.to_string(),
        Val::Int(value) => value.to_string(),
        Val::Double(value) => value.to_string(),
        Val::Text(text) => (*text).to_owned(),
        Val::Owned(text) => text.as_ref().to_owned(),
        Val::Json(_) | Val::List(_) | Val::Map(_) => Output::new().json(value).map_err(Fault::Limit)?.to_string(),
    };
    fuel.burn_text(shown.len())?;
    Ok(shown)
}

fn to_int<'a>(value: &Val<'a>) -> Result<Val<'a>, Fault> {
    let whole = match value {
        Val::Int(value) => Some(*value),
        #[allow(clippy::cast_possible_truncation, reason = "the bounds are checked; the fraction is to be cut")]
        Val::Double(value) if value.abs() < 1e20 => Some(*value as i128),
        other => other.as_text().and_then(|text| text.trim().parse().ok()),
    };
    whole.map_or_else(|| Fault::failed(format!("`int` cannot make an int of {}", value.describe())), operators::int)
}

fn to_double<'a>(value: &Val<'a>) -> Result<Val<'a>, Fault> {
    let number = match value {
        Val::Int(_) | Val::Double(_) => value.as_num().map(super::value::Num::as_double),
        other => other.as_text().and_then(|text| text.trim().parse().ok()),
    };
    number
        .map(Val::Double)
        .ok_or_else(|| Fault::Failed(format!("`double` cannot make a double of {}", value.describe())))
}

fn sum<'a>(fuel: &mut Fuel, value: &Val<'a>) -> Result<Val<'a>, Fault> {
    let mut total = Val::Int(0);
    for element in list(fuel, "sum", value)?.iter() {
        if element.as_num().is_none() {
            return Fault::failed(format!("`sum` needs a list of numbers; it has {}", element.describe()));
        }
        total = operators::apply(fuel, Operator::Add, &total, &element)?;
    }
    Ok(total)
}

fn extreme<'a>(fuel: &mut Fuel, name: &str, value: &Val<'a>, wanted: Ordering) -> Result<Val<'a>, Fault> {
    let elements = list(fuel, name, value)?;
    let Some(mut best) = elements.get(0) else {
        return Fault::failed(format!("`{name}` of an empty list; check size(…) first"));
    };
    for element in elements.iter().skip(1) {
        if operators::compare(fuel, name, &element, &best)? == Some(wanted) {
            best = element;
        }
    }
    Ok(best)
}

fn flatten<'a>(fuel: &mut Fuel, value: &Val<'a>) -> Result<Val<'a>, Fault> {
    let mut flat = Vec::new();
    for element in list(fuel, "flatten", value)?.iter() {
        match element.as_list() {
            Some(inner) => {
                check_list(flat.len() + inner.len())?;
                fuel.burn(inner.len())?;
                flat.extend(inner.iter());
            }
            None => flat.push(element),
        }
    }
    Ok(Val::List(Rc::new(flat)))
}
