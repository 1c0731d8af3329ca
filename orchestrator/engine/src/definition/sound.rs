//! What holds for every part of a document, whatever it means: no key twice, no NUL, no more than the limits.

use std::collections::HashSet;

use super::{
    document::{Content, Node},
    limits,
    report::{Field, Report},
};
use crate::expression::shorten;

/// Checks a whole document. When it is beyond the limits on size, nothing else of it should be looked at.
pub(super) fn check(whole: &Field<'_>, report: &mut Report) -> Result<(), ()> {
    let mut size = Size::default();
    size.count(whole.node, 1);
    if size.is_too_large() {
        let message = too_large();
        whole.add(report, message);
        return Err(());
    }
    look_at(whole, report);
    Ok(())
}

/// What a person is told when a document is beyond the limits on size.
pub(super) fn too_large() -> String {
    format!(
        "the document is too large or nested too deep: at most {} values, {} bytes of text and {} levels, aliases counted \
         as often as they are used",
        limits::DOCUMENT_NODES,
        limits::TEXT_BYTES,
        limits::DOCUMENT_DEPTH
    )
}

#[derive(Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Size {
    fn count(&mut self, node: &Node, depth: usize) {
        self.nodes += 1;
        self.depth = self.depth.max(depth);
        match &node.content {
            Content::Text(text) => self.bytes += text.len(),
            Content::List(nodes) => nodes.iter().for_each(|node| self.count(node, depth + 1)),
            Content::Map(entries) => {
                for entry in entries {
                    self.bytes += entry.key.len();
                    self.count(&entry.value, depth + 1);
                }
            }
            Content::Null | Content::Bool(_) | Content::Number(_) => {}
        }
    }

    const fn is_too_large(&self) -> bool {
        self.nodes > limits::DOCUMENT_NODES || self.bytes > limits::TEXT_BYTES || self.depth > limits::DOCUMENT_DEPTH
    }
}

fn look_at(field: &Field<'_>, report: &mut Report) {
    match &field.node.content {
        // The database cannot hold it.
        Content::Text(text) if text.contains('\0') => field.add(report, "contains the character NUL; remove it"),
        Content::List(nodes) => {
            for (index, node) in nodes.iter().enumerate() {
                look_at(&field.element(index, node), report);
            }
        }
        Content::Map(entries) => {
            let mut seen = HashSet::new();
            for entry in entries {
                let below = field.below(&shorten(&entry.key, 80), &entry.value);
                if !seen.insert(entry.key.as_str()) {
                    report.add(entry.key_at, &below.path, "stands here twice; remove one of them");
                }
                if entry.key.contains('\0') {
                    report.add(entry.key_at, &field.path, "a key contains the character NUL; remove it");
                }
                look_at(&below, report);
            }
        }
        _ => {}
    }
}
