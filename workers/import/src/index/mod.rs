//! The full-text index over the rows of a run.

mod build;
mod row_text;
mod search;
mod swap;

use tantivy::schema::{Field, INDEXED, STORED, STRING, Schema, TEXT};

pub use build::{BuildError, IndexResult, Request, build_index};
pub use search::{Hit, SearchError, SearchResult, search};

/// The fields of the index.
#[derive(Clone, Copy, Debug)]
struct Fields {
    /// `<rows file>:<row number>`, the same at every run.
    id: Field,
    /// Absolute path of the source file.
    file: Field,
    /// Line in the source file.
    line: Field,
    /// All strings of the row, one per line; what is searched unless the query names a field.
    body: Field,
    /// The row as JSON.
    row: Field,
}

impl Fields {
    fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let fields = Self {
            id: schema.add_text_field("id", STRING | STORED),
            file: schema.add_text_field("file", STRING),
            line: schema.add_u64_field("line", INDEXED),
            body: schema.add_text_field("body", TEXT),
            row: schema.add_text_field("row", STORED),
        };
        (schema.build(), fields)
    }
}
