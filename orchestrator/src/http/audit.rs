//! What was done, by whom.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{Problem, Shared, cursor, query::Parameters};
use crate::store::AuditFilter;

/// `GET /api/v1/audit`
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "audit_list",
    tag = "accounts",
    summary = "What was done, newest first",
    description = "",
    params(
        ("name" = Option<String>, Query, description = "Only by the token of this name."),
        ("action" = Option<String>, Query, description = "Only this: submit, cancel, create_token, …"),
        ("target" = Option<String>, Query, description = "Only to this: a job's id, a name."),
        ("limit" = Option<i64>, Query, description = "Most entries of the page; 50 unless it says otherwise, at most 500."),
        ("cursor" = Option<String>, Query, description = "Where the page begins: `next_cursor` of the page before, as it came."),
    ),
    responses((status = 200, description = "A page.", body = ref("#/components/schemas/Audit")))
)]
pub(crate) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&[FILTER, &["limit", "cursor"]].concat())?;
    let limit = parameters.limit(50, 500)?;
    let before = parameters.cursor::<i64>()?;
    let rows = shared.app.store.view_audit(&filter(parameters), before, limit + 1).await?;
    let (lines, next_cursor) = cursor::page(rows, limit);
    Ok(Json(json!({ "lines": lines, "next_cursor": next_cursor })))
}

/// What a filter knows.
pub(crate) const FILTER: &[&str] = &["name", "action", "target"];

/// Reads a filter.
pub(crate) fn filter(parameters: &Parameters) -> AuditFilter {
    let text = |name: &str| parameters.text(name).map(str::to_owned);
    AuditFilter { token_name: text("name"), action: text("action"), target: text("target") }
}
