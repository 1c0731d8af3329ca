//! Workflow definitions.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use drover_engine::definition::{Definition, limits};
use serde_json::{Value, json};

use super::{
    Problem, Shared,
    audited::Told,
    body::{self, Kind},
    path::Name,
    query::Parameters,
};
use crate::app::ActionError;

/// What errors call a document whose sender gave no name.
const SOURCE: &str = "request";
/// Longest name of a source, in characters.
const SOURCE_CHARS: usize = 1_000;
/// Most versions that are listed.
pub(crate) const VERSIONS: i64 = 50;
/// Among how many runs it is counted which version they have.
pub(crate) const RUNS: i64 = 10_000;

/// `GET /api/v1/definitions`
#[utoipa::path(
    get,
    path = "/api/v1/definitions",
    operation_id = "definitions_list",
    tag = "definitions",
    summary = "The registered workflows",
    description = "",
    responses((status = 200, description = "All of them.", body = ref("#/components/schemas/Definitions")))
)]
pub(crate) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "definitions": shared.app.store.view_definitions().await? })))
}

/// `GET /api/v1/definitions/{name}`
#[utoipa::path(
    get,
    path = "/api/v1/definitions/{name}",
    operation_id = "definitions_show",
    tag = "definitions",
    summary = "A workflow, with its document",
    description = "",
    params(
        ("name" = String, Path, description = "The workflow."),
        ("version" = Option<String>, Query, description = "The beginning of the hash of the version that is asked for; the current one without."),
    ),
    responses((status = 200, description = "Its current version, or the one that was asked for.", body = ref("#/components/schemas/Definition")))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let version = parameters.only(&["version"])?.text("version");
    Ok(Json(found(&shared, &name, version).await?))
}

/// A definition's current version, or the one whose hash begins like this.
pub(crate) async fn found(shared: &Shared, name: &str, version: Option<&str>) -> Result<Value, Problem> {
    let store = &shared.app.store;
    match version {
        Some(version) => store.view_version(name, version).await?.ok_or_else(|| {
            let list = format!("GET /api/v1/definitions/{name}/versions lists them");
            Problem::not_found(format!("there is no version {version:?} of {name:?}; {list}"))
        }),
        None => store.view_definition(name).await?.ok_or_else(|| unknown(name)),
    }
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("there is no workflow {name:?}; GET /api/v1/definitions lists them"))
}

/// `GET /api/v1/definitions/{name}/versions`
#[utoipa::path(
    get,
    path = "/api/v1/definitions/{name}/versions",
    operation_id = "definitions_versions",
    tag = "definitions",
    summary = "The versions of a workflow",
    description = "A run keeps the version it began with.",
    params(
        ("name" = String, Path, description = "The workflow."),
    ),
    responses((status = 200, description = "At most 50 of them, the newest first.", body = ref("#/components/schemas/Versions")))
)]
pub(crate) async fn versions(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    let versions = shared.app.store.view_versions(&name, RUNS, VERSIONS).await?;
    if versions.is_empty() {
        return Err(unknown(&name));
    }
    Ok(Json(json!({ "versions": versions })))
}

/// `PUT /api/v1/definitions`: the body is the document, YAML or JSON, and names itself.
#[utoipa::path(
    put,
    path = "/api/v1/definitions",
    operation_id = "definitions_apply",
    tag = "definitions",
    summary = "Register a workflow",
    description = "",
    params(
        ("source" = Option<String>, Query, description = "What errors call the document."),
    ),
    request_body(content = ref("#/components/schemas/Document"), description = "The definition, YAML or JSON.", content_type = "application/yaml"),
    responses((status = 201, description = "A new version.", body = ref("#/components/schemas/Applied")), (status = 200, description = "It was registered already.", body = ref("#/components/schemas/Applied")))
)]
pub(crate) async fn apply(
    State(shared): State<Shared>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    let (source, text) = document(&parameters, request).await?;
    register(&shared, &source, &text).await
}

/// `PUT /api/v1/definitions/{name}`: the same, and the document must name itself as the address does.
#[utoipa::path(
    put,
    path = "/api/v1/definitions/{name}",
    operation_id = "definitions_apply_named",
    tag = "definitions",
    summary = "Register a workflow, which must name itself as the address does",
    description = "",
    params(
        ("name" = String, Path, description = "The workflow."),
        ("source" = Option<String>, Query, description = "What errors call the document."),
    ),
    request_body(content = ref("#/components/schemas/Document"), description = "The definition, YAML or JSON.", content_type = "application/yaml"),
    responses((status = 201, description = "A new version.", body = ref("#/components/schemas/Applied")), (status = 200, description = "It was registered already.", body = ref("#/components/schemas/Applied")))
)]
pub(crate) async fn apply_named(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    let (source, text) = document(&parameters, request).await?;
    let parsed = Definition::parse(&source, &text).map_err(ActionError::from)?;
    if parsed.name.as_str() != name {
        let detail = format!("the document defines {}, the address names {name:?}", parsed.name);
        return Err(Problem::bad_request(detail).field("/name"));
    }
    register(&shared, &source, &text).await
}

/// What the document is called, and its text.
async fn document(parameters: &Parameters, request: Request) -> Result<(String, String), Problem> {
    let source = parameters.only(&["source"])?.text("source").unwrap_or(SOURCE);
    if source.chars().count() > SOURCE_CHARS {
        let detail = format!("query parameter source: it has more than {SOURCE_CHARS} characters");
        return Err(Problem::bad_request(detail).field("source"));
    }
    let (head, body) = request.into_parts();
    let bytes = body::read(&head.headers, body, Kind::Yaml, limits::DOCUMENT_BYTES).await?;
    let text = String::from_utf8(bytes.into())
        .map_err(|error| Problem::bad_request(format!("the body is no UTF-8: {}", error.utf8_error())))?;
    Ok((source.to_owned(), text))
}

async fn register(shared: &Shared, source: &str, text: &str) -> Result<Response, Problem> {
    let (definition, changed) = shared.app.apply(source, text).await?;
    let status = if changed { StatusCode::CREATED } else { StatusCode::OK };
    let body = json!({ "name": definition.name, "hash": definition.hash, "changed": changed });
    let told = Told::of(&definition.name).with(json!({ "hash": definition.hash, "changed": changed }));
    Ok(told.to((status, Json(body)).into_response()))
}
