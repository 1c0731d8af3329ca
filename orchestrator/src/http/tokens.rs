//! Tokens: who may come in.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::{
    Problem, Shared,
    audited::Told,
    body::{self, Kind},
    path::TokenId,
    query::Parameters,
};
use crate::access::{NewToken, Role, TokenName, caller};

/// Most tokens that are listed.
pub(crate) const LISTED: i64 = 1_000;
/// Highest limit of a token.
pub(crate) const MOST_REQUESTS: i64 = 10_000_000;

/// `GET /api/v1/tokens`
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    operation_id = "tokens_list",
    tag = "accounts",
    summary = "The tokens, those that are worth something first",
    description = "",
    responses((status = 200, description = "Up to 1,000, without their secrets.", body = ref("#/components/schemas/Tokens")))
)]
pub(crate) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "tokens": shared.app.store.view_tokens(LISTED).await? })))
}

/// `POST /api/v1/tokens`
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    operation_id = "tokens_create",
    tag = "accounts",
    summary = "Make a token",
    description = "",
    request_body(content = ref("#/components/schemas/NewToken"), description = "Its name and its role."),
    responses((status = 201, description = "It was made; nobody is told its secret again.", body = ref("#/components/schemas/CreatedToken")))
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    let (head, body) = request.into_parts();
    let body = body::read(&head.headers, body, Kind::Json, shared.app.message_bytes).await?;
    let fields: Map<String, Value> = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("the body is no JSON object: {error}")))?;
    let new = read(&Parameters::of_object("", fields)?)?;
    let (id, secret) = shared.app.door.create_token(&new, &by()).await?;
    let body = json!({
        "id": id, "name": new.name.as_str(), "role": new.role.as_str(), "expires_at": new.expires_at,
        "requests_per_minute": new.requests_per_minute, "token": secret.expose_secret(),
    });
    Ok(told(&new).to((StatusCode::CREATED, Json(body)).into_response()))
}

/// What is to be made.
fn read(fields: &Parameters) -> Result<NewToken, Problem> {
    fields.only(&["name", "role", "expires_at", "requests_per_minute"])?;
    let name: TokenName = fields.text("name").unwrap_or_default().parse()?;
    let role = fields.read::<Role>("role", "viewer, submitter, operator or admin")?;
    let role =
        role.ok_or_else(|| fields.refused("role", "it is missing; it must be viewer, submitter, operator or admin"))?;
    let limit = fields.number("requests_per_minute", 1, MOST_REQUESTS)?.and_then(|limit| u32::try_from(limit).ok());
    Ok(NewToken { name, role, requests_per_minute: limit, expires_at: fields.time("expires_at")? })
}

/// Who makes it.
pub(crate) fn by() -> String {
    // Where nobody is asked who they are, nobody has a name.
    caller().name().unwrap_or("nobody").to_owned()
}

/// What the audit keeps of a token that was made.
pub(crate) fn told(new: &NewToken) -> Told {
    let NewToken { name, role, expires_at, requests_per_minute } = new;
    Told::of(name).with(json!({
        "role": role.as_str(), "expires_at": expires_at, "requests_per_minute": requests_per_minute,
    }))
}

/// `DELETE /api/v1/tokens/{id}`
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    operation_id = "tokens_revoke",
    tag = "accounts",
    summary = "Revoke a token, and end the sessions that were opened with it",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The token."),
    ),
    responses((status = 204, description = "It is worth nothing any more: here at once, at other replicas within 5 seconds."))
)]
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    TokenId(id): TokenId,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    let name = shared.app.door.revoke_token(id).await?;
    Ok(Told::of(name).with(json!({ "id": id })).to(StatusCode::NO_CONTENT.into_response()))
}
