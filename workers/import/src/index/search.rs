//! Searches an index.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::value::RawValue;
use tantivy::{
    Index, ReloadPolicy, Searcher, TantivyDocument, TantivyError,
    collector::{Count, TopDocs},
    query::{QueryParser, QueryParserError},
    schema::{Field, Value as _},
    snippet::SnippetGenerator,
};

use super::row_text;
use crate::{layout::CURRENT, text};

/// Longest snippet, in characters.
const SNIPPET_CHARS: usize = 120;
/// How often an index that is being replaced at this moment is opened again.
const TRIES: u32 = 3;

/// What a search found.
#[derive(Debug, Serialize)]
pub struct SearchResult {
    /// The folder that was searched.
    pub index_path: String,
    /// How many rows match.
    pub total: u64,
    /// The best of them, best first.
    pub hits: Vec<Hit>,
}

/// A row that matches.
#[derive(Debug, Serialize)]
pub struct Hit {
    /// The row's id in the index.
    pub id: String,
    /// Absolute path of the source file.
    pub file: String,
    /// The line in the source file.
    pub line: u64,
    /// How well it matches, relative to the others.
    pub score: f32,
    /// The part of the row that matches.
    pub snippet: String,
    /// The row.
    pub row: Box<RawValue>,
}

/// Why nothing could be searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// There is no index.
    #[error(
        "--index-path: no index at {path} ({source}); give the index_path of a finished import, or \
         one run's folder in it"
    )]
    NoIndex {
        /// The folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The query cannot be understood.
    #[error(
        "QUERY: {query:?} cannot be understood: {source}; words, \"phrases\", AND, OR, NOT, \
         file:PATH and line:N are known"
    )]
    Query {
        /// The query.
        query: String,
        /// Why.
        source: QueryParserError,
    },
    /// A stored row is damaged.
    #[error("the index is damaged: {0}; index the run again")]
    Damaged(String),
    /// The index could not be read.
    #[error("cannot read the index: {0}")]
    Index(#[from] TantivyError),
}

/// Searches the current index of an index path (or the index that the path itself is). All words must match.
///
/// # Errors
/// [`SearchError`]. That nothing matches is no error.
pub fn search(index_path: &Path, query: &str, limit: usize) -> Result<SearchResult, SearchError> {
    let (folder, index) = open(index_path)?;
    let schema = index.schema();
    let (id, body, row) = (schema.get_field("id")?, schema.get_field("body")?, schema.get_field("row")?);
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    let searcher: Searcher = reader.searcher();
    let mut parser = QueryParser::for_index(&index, vec![body]);
    parser.set_conjunction_by_default();
    let parsed = parser.parse_query(query).map_err(|source| SearchError::Query { query: query.to_owned(), source })?;
    let (total, best) = searcher.search(&parsed, &(Count, TopDocs::with_limit(limit.max(1)).order_by_score()))?;
    let mut snippets = SnippetGenerator::create(&searcher, &parsed, body)?;
    snippets.set_max_num_chars(SNIPPET_CHARS);
    let hits = best
        .into_iter()
        .map(|(score, address)| hit(&searcher.doc(address)?, score, id, row, &snippets))
        .collect::<Result<_, SearchError>>()?;
    Ok(SearchResult { index_path: text::path(&folder), total: total as u64, hits })
}

fn hit(
    document: &TantivyDocument,
    score: f32,
    id: Field,
    row: Field,
    snippets: &SnippetGenerator,
) -> Result<Hit, SearchError> {
    let text_of = |field: Field| document.get_first(field).and_then(|value| value.as_str()).unwrap_or_default();
    let row = text_of(row);
    let damaged = |error: serde_json::Error| SearchError::Damaged(error.to_string());
    let mut body = String::new();
    let source = row_text::read_row(row, &mut body).map_err(damaged)?;
    let snippet = snippets.snippet(&body);
    let shown =
        if snippet.is_empty() { body.chars().take(SNIPPET_CHARS).collect() } else { snippet.fragment().to_owned() };
    Ok(Hit {
        id: text_of(id).to_owned(),
        file: source.file,
        line: source.line,
        score,
        snippet: one_line(&shown),
        row: RawValue::from_string(row.to_owned()).map_err(damaged)?,
    })
}

/// Without line ends and control characters, which a terminal would obey.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn open(index_path: &Path) -> Result<(PathBuf, Index), SearchError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let folder = folder_of(index_path)?;
        match Index::open_in_dir(&folder) {
            Ok(index) => return Ok((folder, index)),
            // It may just have been replaced: look where `current` leads now.
            Err(_) if tries < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn folder_of(index_path: &Path) -> Result<PathBuf, SearchError> {
    let no_index = |source| SearchError::NoIndex { path: text::path(index_path), source };
    let base = index_path.canonicalize().map_err(no_index)?;
    if base.join("meta.json").is_file() {
        return Ok(base);
    }
    base.join(CURRENT)
        .canonicalize()
        .map_err(|error| no_index(io::Error::new(error.kind(), format!("no `{CURRENT}` in it: {error}"))))
}
