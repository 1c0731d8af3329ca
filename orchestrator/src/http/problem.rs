//! The one error that the API answers with: RFC 9457, `application/problem+json`.

use axum::{
    Json,
    extract::rejection::{BytesRejection, PathRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use drover_engine::Refusal;
use drover_protocol::JobStatus;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{app::ActionError, store::StoreError};

/// How long a client should wait when the database is away, in seconds.
const RETRY_AFTER: &str = "2";

/// What went wrong, for programs (`kind`) and people (`detail`).
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    type_uri: String,
    title: &'static str,
    status: u16,
    kind: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_status: Option<JobStatus>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            type_uri: format!("/problems/{kind}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            kind,
            detail: detail.into(),
            field: None,
            errors: Vec::new(),
            job_status: None,
        }
    }

    /// A request that cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// Nothing is there.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this address does not take this method; the header Allow says which it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
    }

    fn conflict(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, kind, detail)
    }

    /// A fault of ours: logged here with its cause, told without it.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the orchestrator failed; its log has the cause")
    }

    /// The part of the request that is to blame.
    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "a request cannot be served");
            return Self::busy("the database cannot be reached or is busy; try again");
        }
        Self::internal(error)
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        let detail = error.to_string();
        match error {
            ActionError::UnknownType(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_type", detail).field("/type")
            }
            ActionError::InvalidParams { errors, .. } => Self {
                errors: errors
                    .iter()
                    .map(|error| json!({ "pointer": error.pointer, "message": error.message }))
                    .collect(),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", detail).field("/params")
            },
            ActionError::KeyConflict(_) => Self::conflict("conflict", detail).field("Idempotency-Key"),
            ActionError::Definition(error) => Self {
                errors: error
                    .problems
                    .iter()
                    .map(|problem| {
                        json!({
                            "source": error.file, "line": problem.line, "column": problem.column, "path": problem.path,
                            "message": problem.message,
                        })
                    })
                    .collect(),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_definition", detail)
            },
            ActionError::UnknownJob(_) => Self::not_found(detail),
            ActionError::Refused(refusal) => refused(&refusal, detail),
            ActionError::NotDeletable(..) => Self::conflict("not_deletable", detail),
            ActionError::Store(error) => error.into(),
        }
    }
}

fn refused(refusal: &Refusal, detail: String) -> Problem {
    match refusal {
        Refusal::Transition { status, .. } => {
            let kind = if status.is_terminal() { "already_finished" } else { "not_finished" };
            Problem { job_status: Some(*status), ..Problem::conflict(kind, detail) }
        }
        Refusal::ParentPast { .. } => Problem::conflict("parent_finished", detail),
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::too_large("the body is larger than amqp.message_bytes allows");
        }
        Self::bad_request(rejection.body_text())
    }
}
