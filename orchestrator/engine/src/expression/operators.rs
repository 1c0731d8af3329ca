//! Arithmetic, comparison and equality. A superset of CEL's: ints and doubles mix, as they do in JSON.

use std::{cmp::Ordering, rc::Rc};

use super::{
    fault::{Fault, Fuel},
    program::Operator,
    value::{Num, Val},
};

/// Applies an operator to two values.
pub(super) fn apply<'a>(
    fuel: &mut Fuel,
    operator: Operator,
    left: &Val<'a>,
    right: &Val<'a>,
) -> Result<Val<'a>, Fault> {
    match operator {
        Operator::Equal => equal(fuel, left, right).map(Val::Bool),
        Operator::NotEqual => equal(fuel, left, right).map(|equal| Val::Bool(!equal)),
        Operator::Less => ordered(fuel, "<", left, right, |order| order == Some(Ordering::Less)),
        Operator::LessOrEqual => {
            ordered(fuel, "<=", left, right, |order| matches!(order, Some(Ordering::Less | Ordering::Equal)))
        }
        Operator::Greater => ordered(fuel, ">", left, right, |order| order == Some(Ordering::Greater)),
        Operator::GreaterOrEqual => {
            ordered(fuel, ">=", left, right, |order| matches!(order, Some(Ordering::Greater | Ordering::Equal)))
        }
        Operator::In => contains(fuel, left, right).map(Val::Bool),
        Operator::Add => add(fuel, left, right),
        Operator::Subtract => numbers("-", left, right, i128::checked_sub, |a, b| a - b),
        Operator::Multiply => numbers("*", left, right, i128::checked_mul, |a, b| a * b),
        Operator::Divide => {
            not_zero("/", right)?;
            numbers("/", left, right, i128::checked_div, |a, b| a / b)
        }
        Operator::Remainder => {
            not_zero("%", right)?;
            numbers("%", left, right, i128::checked_rem, |a, b| a % b)
        }
    }
}

/// `-value`
pub(super) fn negate<'a>(value: &Val<'a>) -> Result<Val<'a>, Fault> {
    match value {
        Val::Int(value) => int(-value),
        Val::Double(value) => Ok(Val::Double(-value)),
        other => Fault::failed(format!("`-` needs a number, not {}", other.describe())),
    }
}

/// An int, if it is in range.
pub(super) fn int<'a>(value: i128) -> Result<Val<'a>, Fault> {
    if value < i128::from(i64::MIN) || value > i128::from(u64::MAX) {
        return Fault::failed("the int is out of range (64 bits)");
    }
    Ok(Val::Int(value))
}

fn add<'a>(fuel: &mut Fuel, left: &Val<'a>, right: &Val<'a>) -> Result<Val<'a>, Fault> {
    if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
        fuel.burn_text(left.len() + right.len())?;
        return Ok(Val::Owned(format!("{left}{right}").into()));
    }
    if let (Some(left), Some(right)) = (left.as_list(), right.as_list()) {
        fuel.burn_list(left.len() + right.len())?;
        return Ok(Val::List(Rc::new(left.iter().chain(right.iter()).collect())));
    }
    if left.as_text().is_some() != right.as_text().is_some() {
        let message = format!("`+` cannot join {} and {}; use string(…)", left.describe(), right.describe());
        return Fault::failed(message);
    }
    numbers("+", left, right, i128::checked_add, |a, b| a + b)
}

fn numbers<'a>(
    sign: &str,
    left: &Val<'a>,
    right: &Val<'a>,
    ints: fn(i128, i128) -> Option<i128>,
    doubles: fn(f64, f64) -> f64,
) -> Result<Val<'a>, Fault> {
    match (left.as_num(), right.as_num()) {
        (Some(Num::Int(left)), Some(Num::Int(right))) => {
            ints(left, right).map_or_else(|| Fault::failed("the int is out of range (64 bits)"), int)
        }
        (Some(left), Some(right)) => Ok(Val::Double(doubles(left.as_double(), right.as_double()))),
        _ => Fault::failed(format!("`{sign}` cannot be applied to {} and {}", left.describe(), right.describe())),
    }
}

fn not_zero(sign: &str, right: &Val<'_>) -> Result<(), Fault> {
    if matches!(right, Val::Int(0)) { Fault::failed(format!("the right side of `{sign}` is 0")) } else { Ok(()) }
}

impl Num {
    #[allow(clippy::cast_precision_loss, reason = "what becomes a double has a double's precision")]
    pub(super) const fn as_double(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Double(value) => value,
        }
    }

    /// How the numbers compare by value; `None` when one is NaN.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(&right)),
            (Self::Double(left), Self::Double(right)) => left.partial_cmp(&right),
            (Self::Int(left), Self::Double(right)) => compare_mixed(left, right),
            (Self::Double(left), Self::Int(right)) => compare_mixed(right, left).map(Ordering::reverse),
        }
    }
}

/// Exact, also where the int has no double of its own.
#[allow(clippy::cast_possible_truncation, reason = "the double is whole and far within the range of i128")]
fn compare_mixed(left: i128, right: f64) -> Option<Ordering> {
    const BEYOND: f64 = 1e30;
    if right.is_nan() {
        return None;
    }
    if right.abs() > BEYOND {
        return Some(if right > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = right.trunc();
    Some(left.cmp(&(whole as i128)).then_with(|| 0.0_f64.total_cmp(&(right - whole + 0.0))))
}

/// How two values of one kind compare.
pub(super) fn compare(fuel: &mut Fuel, sign: &str, left: &Val<'_>, right: &Val<'_>) -> Result<Option<Ordering>, Fault> {
    if let (Some(left), Some(right)) = (left.as_num(), right.as_num()) {
        return Ok(left.compare(right));
    }
    if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
        fuel.burn_text(left.len().min(right.len()))?;
        return Ok(Some(left.cmp(right)));
    }
    if let (Val::Bool(left), Val::Bool(right)) = (left, right) {
        return Ok(Some(left.cmp(right)));
    }
    Fault::failed(format!("`{sign}` cannot compare {} and {}", left.describe(), right.describe()))
}

fn ordered<'a>(
    fuel: &mut Fuel,
    sign: &str,
    left: &Val<'a>,
    right: &Val<'a>,
    holds: fn(Option<Ordering>) -> bool,
) -> Result<Val<'a>, Fault> {
    compare(fuel, sign, left, right).map(|order| Val::Bool(holds(order)))
}

/// Whether two values are equal. Values of different kinds are not; numbers are compared by value.
pub(super) fn equal(fuel: &mut Fuel, left: &Val<'_>, right: &Val<'_>) -> Result<bool, Fault> {
    fuel.burn(1)?;
    if let (Some(left), Some(right)) = (left.as_num(), right.as_num()) {
        return Ok(left.compare(right) == Some(Ordering::Equal));
    }
    if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
        fuel.burn(left.len().min(right.len()) / 8)?;
        return Ok(left == right);
    }
    if let (Some(left), Some(right)) = (left.as_list(), right.as_list()) {
        if left.len() != right.len() {
            return Ok(false);
        }
        for (left, right) in left.iter().zip(right.iter()) {
            if !equal(fuel, &left, &right)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if let (Some(keys), Some(others)) = (left.key_count(), right.key_count()) {
        if keys != others {
            return Ok(false);
        }
        fuel.burn_list(keys)?;
        for key in left.keys(keys).iter().flatten().filter_map(Val::as_text) {
            let (Some(left), Some(right)) = (left.field(key), right.field(key)) else { return Ok(false) };
            if !equal(fuel, &left, &right)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    Ok(match (left, right) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(left), Val::Bool(right)) => left == right,
        _ => false,
    })
}

fn contains(fuel: &mut Fuel, value: &Val<'_>, container: &Val<'_>) -> Result<bool, Fault> {
    if let Some(list) = container.as_list() {
        fuel.burn_list(list.len())?;
        for element in list.iter() {
            if equal(fuel, value, &element)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    match value.as_text() {
        Some(key) if container.is_map() => Ok(container.field(key).is_some()),
        _ => Fault::failed(format!("`in` cannot look for {} in {}", value.describe(), container.describe())),
    }
}
