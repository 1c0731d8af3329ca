//! The limits of expressions. A definition comes from people who may err, and an evaluation runs inside a transaction.

/// Longest source of one expression, in bytes.
pub const SOURCE_BYTES: usize = 4 * 1024;
/// Deepest nesting of an expression's brackets, operators and calls.
pub const DEPTH: usize = 48;
/// Most words and signs of one expression, which also bounds the parser's work.
pub const TOKENS: usize = 1_000;
/// How deep `map`, `filter`, `all` and `exists` may stand inside each other.
pub const LOOP_DEPTH: usize = 2;
/// Most elements of a list that is iterated over or built.
pub const LIST_ITEMS: usize = 100_000;
/// Largest text or result of an evaluation, as bytes of JSON.
pub const OUTPUT_BYTES: usize = 1024 * 1024;
/// Deepest nesting of a result, far below what JSON parsers accept.
pub const OUTPUT_DEPTH: usize = 64;
/// Work units of one evaluation: a unit is about one visited node, compared element or eight copied bytes. Exhausting it
/// takes one or two tenths of a second.
pub const FUEL: u64 = 4_000_000;
/// Deepest nesting of a template's JSON.
pub const TEMPLATE_DEPTH: usize = 64;
/// Most expressions of one template.
pub const TEMPLATE_EXPRESSIONS: usize = 1_000;
