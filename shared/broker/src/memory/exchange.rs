//! Exchanges: who gets what is published to them.

use std::{collections::HashMap, sync::Arc};

use super::{broadcasts::Listener, content::Content, queue::Queue};
use crate::ExchangeKind;

/// Where messages go.
#[derive(Clone)]
pub(super) enum Mailbox {
    Queue(Arc<Queue>),
    Listener(Arc<Listener>),
}

/// There is no room for the message.
#[derive(Debug)]
pub(super) struct Full;

impl Mailbox {
    pub(super) fn put(&self, content: &Arc<Content>) -> Result<(), Full> {
        match self {
            Self::Queue(queue) => queue.put(content),
            Self::Listener(listener) => {
                listener.put(content);
                Ok(())
            }
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Queue(one), Self::Queue(two)) => Arc::ptr_eq(one, two),
            (Self::Listener(one), Self::Listener(two)) => Arc::ptr_eq(one, two),
            (Self::Queue(_), Self::Listener(_)) | (Self::Listener(_), Self::Queue(_)) => false,
        }
    }
}

/// An exchange and what is bound to it.
pub(super) struct Exchange {
    pub(super) kind: ExchangeKind,
    /// By routing key or pattern.
    bound: HashMap<String, Vec<Mailbox>>,
}

impl Exchange {
    pub(super) fn new(kind: ExchangeKind) -> Self {
        Self { kind, bound: HashMap::new() }
    }

    /// Binds, unless it is bound like this already.
    pub(super) fn bind(&mut self, routing_key: &str, mailbox: Mailbox) {
        add(self.bound.entry(routing_key.to_owned()).or_default(), &mailbox);
    }

    pub(super) fn unbind(&mut self, routing_key: &str, mailbox: &Mailbox) {
        if let Some(mailboxes) = self.bound.get_mut(routing_key) {
            mailboxes.retain(|bound| !bound.is(mailbox));
            if mailboxes.is_empty() {
                self.bound.remove(routing_key);
            }
        }
    }

    /// Who gets a message with this key, each once.
    pub(super) fn route(&self, routing_key: &str) -> Vec<Mailbox> {
        let matching = |pattern: &str| self.kind == ExchangeKind::Fanout || matches(pattern, routing_key);
        if self.kind == ExchangeKind::Direct {
            return self.bound.get(routing_key).cloned().unwrap_or_default();
        }
        let mut found = Vec::new();
        for (_, mailboxes) in self.bound.iter().filter(|(pattern, _)| matching(pattern)) {
            mailboxes.iter().for_each(|mailbox| add(&mut found, mailbox));
        }
        found
    }
}

fn add(mailboxes: &mut Vec<Mailbox>, mailbox: &Mailbox) {
    if !mailboxes.iter().any(|known| known.is(mailbox)) {
        mailboxes.push(mailbox.clone());
    }
}

/// Whether a topic pattern takes a key. Both are words between dots; `*` is any one word, `#` any number of words.
fn matches(pattern: &str, key: &str) -> bool {
    let (pattern, key) = (words(pattern), words(key));
    let (mut at, mut word) = (0, 0);
    // The last `#`, and the word it has not swallowed yet. To go back to an earlier one would find nothing more.
    let mut hash = None;
    while word < key.len() {
        match pattern.get(at) {
            Some(&"#") => {
                hash = Some((at, word));
                at += 1;
            }
            Some(&wanted) if wanted == "*" || wanted == key[word] => {
                at += 1;
                word += 1;
            }
            _ => {
                let Some((hash_at, swallowed)) = hash else { return false };
                hash = Some((hash_at, swallowed + 1));
                at = hash_at + 1;
                word = swallowed + 1;
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == "#")
}

/// No text has no words.
fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_patterns_take_what_they_should() {
        for (pattern, taken, left) in [
            (
                "job.*.import",
                &["job.failed.import", "job..import"][..],
                &["job.import", "job.a.b.import", "job.a.x"][..],
            ),
            ("job.#", &["job", "job.a", "job.a.b"], &["jobs", "", "a.job"]),
            ("#", &["", "a", "a.b.c", "."], &[]),
            ("*", &["a"], &["", "a.b"]),
            ("#.b", &["b", "a.b", "b.b", "a.b.c.b"], &["b.a", "", "a.bb"]),
            ("a.#.b.#.c", &["a.b.c", "a.x.b.b.y.c", "a.b.b.c.c"], &["a.c", "a.b", "a.c.b", "b.c"]),
            ("#.*.#", &["a", "a.b", "a.b.c"], &[""]),
            ("a.b", &["a.b"], &["a", "a.b.c", "A.b"]),
            ("", &[""], &["a"]),
        ] {
            for key in taken {
                assert!(matches(pattern, key), "{pattern} takes {key}");
            }
            for key in left {
                assert!(!matches(pattern, key), "{pattern} does not take {key}");
            }
        }
    }
}
