//! Requests about many at once: what their bodies say. Each does a bounded part and tells where to go on.

use axum::extract::Request;
use serde_json::{Map, Value, json};

use super::{
    Problem, Shared,
    audited::Told,
    body::{self, Kind},
    cursor::Cursor,
    query::Parameters,
};

/// Most that are looked at by one request, and how many unless it says otherwise.
const MOST: i64 = 1_000;
const USUAL: i64 = 100;
/// A request that only counts looks at up to this many.
const COUNTED: i64 = 10_000;

/// A request about many.
pub(crate) struct Bulk<C> {
    /// Which are meant.
    pub(crate) filter: Parameters,
    /// What only some of these requests know.
    pub(crate) options: Parameters,
    /// Look at this many at most.
    pub(crate) limit: i64,
    /// Go on after this one.
    pub(crate) cursor: Option<C>,
    /// Only count.
    pub(crate) dry_run: bool,
    /// Everything is meant.
    all: bool,
}

impl<C: Cursor> Bulk<C> {
    /// Reads the body: `{filter, all, limit, cursor, dry_run}` and these options.
    pub(crate) async fn read(
        shared: &Shared,
        parameters: &Parameters,
        request: Request,
        options: &[&str],
    ) -> Result<Self, Problem> {
        parameters.only(&[])?;
        let (head, body) = request.into_parts();
        let body = body::read(&head.headers, body, Kind::Json, shared.app.message_bytes).await?;
        let mut fields: Map<String, Value> = serde_json::from_slice(&body)
            .map_err(|error| Problem::bad_request(format!("the body is no JSON object: {error}")))?;
        let filter = match fields.remove("filter") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(filter)) => filter,
            Some(_) => return Err(Problem::bad_request("/filter: it must be an object").field("/filter")),
        };
        let fields = Parameters::of_object("", fields)?;
        fields.only(&[&["filter", "all", "limit", "cursor", "dry_run"], options].concat())?;
        let dry_run = fields.flag("dry_run")?.unwrap_or(false);
        let limit = if dry_run { fields.limit(COUNTED, COUNTED)? } else { fields.limit(USUAL, MOST)? };
        Ok(Self {
            filter: Parameters::of_object("/filter", filter)?,
            limit,
            cursor: fields.cursor()?,
            dry_run,
            all: fields.flag("all")?.unwrap_or(false),
            options: fields,
        })
    }

    /// What the audit keeps of it, with how many it was done to.
    pub(crate) fn told(&self, done: usize) -> Told {
        let (filter, options) = (self.filter.given(), self.options.given());
        let detail = json!({ "filter": filter, "options": options, "done": done });
        Told { detail: Some(detail), ..Told::default() }
    }

    /// Refuses what would mean everything without saying so. `names`: what could narrow the filter.
    pub(crate) fn means_it(&self, narrows: bool, names: &str) -> Result<(), Problem> {
        match (narrows, self.all) {
            (true, false) | (false, true) => Ok(()),
            (false, false) => {
                let detail =
                    format!("/filter: it narrows nothing, which would mean all; say one of {names}, or \"all\": true");
                Err(Problem::bad_request(detail).field("/filter"))
            }
            (true, true) => {
                Err(Problem::bad_request("/all: a filter is given beside it; give one of the two").field("/all"))
            }
        }
    }
}
