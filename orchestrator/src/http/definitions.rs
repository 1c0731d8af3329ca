//! Workflow definitions.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use drover_engine::definition;
use serde_json::{Value, json};

use super::{Problem, Shared, query::Parameters};

/// `GET /api/v1/definitions`
pub(crate) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "definitions": shared.app.store.view_definitions().await? })))
}

/// `GET /api/v1/definitions/{name}`
pub(crate) async fn show(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    match shared.app.store.view_definition(&name).await? {
        Some(view) => Ok(Json(view)),
        None => Err(Problem::not_found(format!("there is no workflow {name:?}"))),
    }
}

/// `PUT /api/v1/definitions/{name}`: the body is the document, YAML or JSON.
pub(crate) async fn apply(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    parameters: Parameters,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let source = parameters.only(&["source"])?.text("source").unwrap_or("request").to_owned();
    let body = body?;
    if body.len() > definition::limits::DOCUMENT_BYTES {
        let limit = definition::limits::DOCUMENT_BYTES;
        return Err(Problem::too_large(format!("the definition has {} bytes; the limit is {limit}", body.len())));
    }
    let text = std::str::from_utf8(&body).map_err(|error| Problem::bad_request(format!("the body is no UTF-8: {error}")))?;
    let parsed = definition::Definition::parse(&source, text).map_err(crate::app::ActionError::from)?;
    if parsed.name.as_str() != name {
        let detail = format!("the document defines {}, the address names {name:?}", parsed.name);
        return Err(Problem::bad_request(detail).field("/name"));
    }
    let (definition, changed) = shared.app.apply(&source, text).await?;
    let status = if changed { StatusCode::CREATED } else { StatusCode::OK };
    let body = json!({ "name": definition.name, "hash": definition.hash, "changed": changed });
    Ok((status, Json(body)).into_response())
}
