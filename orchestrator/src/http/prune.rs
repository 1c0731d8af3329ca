//! Pruning, asked for.

use axum::{
    Json,
    extract::{Request, State},
};
use drover_protocol::JobType;
use serde_json::{Value, json};

use super::{Problem, Shared, body, cursor::Cursor, query::Parameters};
use crate::prune::PrunedType;

/// `POST /api/v1/prune`
#[utoipa::path(
    post,
    path = "/api/v1/prune",
    operation_id = "prune_prune",
    tag = "jobs",
    summary = "Delete finished work that is kept no longer, now",
    description = "What that is says the configuration: [retention].",
    request_body(content = ref("#/components/schemas/Prune"), description = "Whether it only counts; may be left out."),
    responses((status = 200, description = "What went, and where to go on.", body = ref("#/components/schemas/Pruned")))
)]
pub(crate) async fn prune(
    State(shared): State<Shared>,
    parameters: Parameters,
    request: Request,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    let fields = body::fields(&shared, request).await?;
    fields.only(&["dry_run", "cursor"])?;
    let dry_run = fields.flag("dry_run")?.unwrap_or(false);
    let from = fields.cursor::<JobType>()?;
    let pruned =
        if dry_run { shared.app.count_prunable(from.as_ref()).await? } else { shared.app.prune(from.as_ref()).await? };
    let shown = |PrunedType { job_type, trees, jobs, more }: &PrunedType| json!({ "type": job_type, "trees": trees, "jobs": jobs, "more": more });
    let types: Vec<Value> = pruned.types.iter().map(shown).collect();
    Ok(Json(json!({
        "dry_run": dry_run, "types": types, "dead_letters": pruned.dead_letters,
        "next_cursor": pruned.next.map(|job_type| job_type.encode()),
    })))
}
