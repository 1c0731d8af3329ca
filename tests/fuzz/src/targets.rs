//! What reads outside bytes, and what it promises.

mod definition;
mod expression;
mod file;
mod message;
mod name;

/// Something that reads what others wrote.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// What it promises of any bytes.
    pub promise: &'static str,
    /// Panics when a promise is broken.
    pub check: fn(&[u8]),
}

/// Every target but the HTTP API's, which needs a database: that one is among the orchestrator's tests.
pub const TARGETS: &[Target] = &[
    Target {
        name: "message",
        promise: "a body of any kind is read or refused with a reason; what is read can be sent again and says the same",
        check: message::check,
    },
    Target {
        name: "definition",
        promise: "a definition is read, or refused with lines that are in the file; what is read is stored and read again",
        check: definition::check,
    },
    Target {
        name: "expression",
        promise: "an expression is compiled and evaluated within its limits, or refused with a reason",
        check: expression::check,
    },
    Target {
        name: "name",
        promise: "a job type or a prefix that is taken makes names that a broker takes",
        check: name::check,
    },
    Target {
        name: "file",
        promise: "a file to import gives rows and bad rows to its end, or an error, whatever its ending says",
        check: file::check,
    },
];
