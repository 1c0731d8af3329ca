//! The one error that the API answers with: RFC 9457, `application/problem+json`.

use std::time::Duration;

use axum::{
    Json,
    extract::rejection::PathRejection,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use drover_engine::{
    Refusal, Trigger,
    definition::{self, FieldError},
};
use drover_protocol::{DecodeError, JobStatus};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use crate::{
    access::{AccountError, Refused},
    app::ActionError,
    recover::RecoverError,
    redrive::RedriveError,
    store::StoreError,
};

/// How long a client should wait when it is told to try again, in seconds.
const RETRY_AFTER: &str = "2";

/// What went wrong, for programs (`kind`) and people (`detail`). `field` is a JSON pointer into the body, or the name of a
/// query parameter, a header or a part of the path.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    field: Option<String>,
    errors: Vec<Value>,
    job_status: Option<JobStatus>,
    retry_after_seconds: Option<u64>,
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("type", &format_args!("/problems/{}", self.kind))?;
        fields.serialize_entry("title", self.status.canonical_reason().unwrap_or("Error"))?;
        fields.serialize_entry("status", &self.status.as_u16())?;
        fields.serialize_entry("kind", self.kind)?;
        fields.serialize_entry("detail", &self.detail)?;
        if let Some(field) = &self.field {
            fields.serialize_entry("field", field)?;
        }
        if !self.errors.is_empty() {
            fields.serialize_entry("errors", &self.errors)?;
        }
        if let Some(status) = self.job_status {
            fields.serialize_entry("job_status", &status)?;
        }
        fields.end()
    }
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        let (detail, errors) = (detail.into(), Vec::new());
        Self { status, kind, detail, field: None, errors, job_status: None, retry_after_seconds: None }
    }

    /// The word for it, for programs.
    pub(crate) const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The HTTP status.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// What of the request does not fit, where that is more than one thing.
    pub(crate) fn errors(&self) -> &[Value] {
        &self.errors
    }

    /// What people are told.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// A request that cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// Nothing is there.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// Whoever asks may not.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// Nobody knows who asks.
    pub(crate) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// Whoever asks has too little a role for it.
    pub(crate) fn role_needed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "role_needed", detail)
    }

    /// Whoever asks may again after a while.
    fn too_often(detail: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(1);
        let detail = format!("{detail}; try again in {seconds} s");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail);
        Self { retry_after_seconds: Some(seconds), ..problem }
    }

    /// A token's requests of this minute are made.
    pub(crate) fn spent(wait: Duration) -> Self {
        Self::too_often("this token has made its requests of this minute", wait)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this address does not take this method; the header Allow says which it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    pub(crate) fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    pub(crate) fn slow_body(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow_body", detail)
    }

    /// There is no room for this request now.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
    }

    /// The answer takes too long. What was asked for may have been done.
    pub(crate) fn timed_out(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail)
    }

    /// What is asked for cannot be done with what is there.
    pub(crate) fn unprocessable(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind, detail)
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

impl Problem {
    /// What the answer's head says of it.
    pub(crate) fn head(&self, headers: &mut HeaderMap) {
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        } else if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"drover\""));
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.head(headers);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "a request cannot be served");
            let detail = "the database cannot be reached or is busy; try again";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        }
        Self::internal(error)
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        let detail = error.to_string();
        match error {
            ActionError::UnknownType(_) => Self::unprocessable("unknown_type", detail).field("/type"),
            ActionError::InvalidParams { job_type, errors } => {
                let entry = |error: &FieldError| json!({ "pointer": error.pointer, "message": error.message });
                Self {
                    errors: errors.iter().map(entry).collect(),
                    ..Self::unprocessable("invalid_params", format!("the parameters do not fit {job_type}"))
                        .field("/params")
                }
            }
            ActionError::KeyConflict(_) => Self::conflict("conflict", detail).field("Idempotency-Key"),
            ActionError::Definition(error) => {
                let entry = |problem: &definition::Problem| {
                    json!({
                        "source": error.file, "line": problem.line, "column": problem.column, "path": problem.path,
                        "message": problem.message,
                    })
                };
                let more = match error.more {
                    0 => String::new(),
                    more => format!("; {more} more are not listed"),
                };
                Self {
                    errors: error.problems.iter().map(entry).collect(),
                    ..Self::unprocessable("invalid_definition", format!("the definition is not valid{more}"))
                }
            }
            ActionError::UnknownJob(_) | ActionError::UnknownSchedule(_) => Self::not_found(detail),
            ActionError::Refused(refusal) => refused(&refusal, detail),
            ActionError::SeveralWait { .. } => Self::conflict("several_wait", detail).field("/step"),
            ActionError::SubJob { status, .. } => {
                Self { job_status: Some(status), ..Self::conflict("sub_job", detail) }
            }
            ActionError::NotFinished { status, .. } => {
                Self { job_status: Some(status), ..Self::conflict("not_finished", detail) }
            }
            ActionError::NotAnnounced(_) => Self::new(StatusCode::NOT_FOUND, "unknown_type", detail).field("type"),
            ActionError::IsWorkflow { .. } => Self::unprocessable("is_workflow", detail).field("type"),
            ActionError::UnknownWorker(_) => Self::not_found(detail),
            ActionError::WorkerGone { .. } => Self::conflict("worker_gone", detail),
            ActionError::AllPaused(_) => Self::conflict("all_paused", detail),
            ActionError::Busy(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail),
            ActionError::Unanswered => Self::internal("a submission was not answered"),
            ActionError::Store(error) => error.into(),
        }
    }
}

/// How people and programs come in.
const WAY_IN: &str = "send a token: Authorization: Bearer TOKEN, or --token, DROVER_TOKEN or DROVER_TOKEN_FILE of `drover`. An \
                      admin makes one with `drover token create`; the first one is made on the orchestrator's machine, with \
                      `drover-orchestrator token create --name NAME --role admin`";

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Nobody => Self::unauthenticated(WAY_IN),
            Refused::Unknown => {
                Self::unauthenticated(format!("what was sent is unknown, expired or revoked; {WAY_IN}"))
            }
            Refused::TooOften(wait) => {
                Self::too_often("too many requests came from this address with what is worth nothing", wait)
            }
            Refused::Store(error) => error.into(),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let detail = error.to_string();
        match error {
            AccountError::Name(_) => Self::bad_request(detail).field("/name"),
            AccountError::Expired(_) => Self::bad_request(detail).field("/expires_at"),
            AccountError::NameTaken(_) => Self::conflict("name_taken", detail).field("/name"),
            AccountError::Unknown(_) => Self::not_found(detail),
            AccountError::Random => Self::internal(detail),
            AccountError::Store(error) => error.into(),
        }
    }
}

impl From<RedriveError> for Problem {
    fn from(error: RedriveError) -> Self {
        let detail = error.to_string();
        match error {
            RedriveError::Unknown(_) => Self::not_found(detail),
            RedriveError::Refused(_) => Self::conflict("not_redrivable", detail),
            RedriveError::Broker(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail),
            RedriveError::Store(error) => error.into(),
        }
    }
}

impl From<RecoverError> for Problem {
    fn from(error: RecoverError) -> Self {
        match error {
            RecoverError::Behind(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "behind", error.to_string()),
            RecoverError::Store(error) => error.into(),
        }
    }
}

fn refused(refusal: &Refusal, detail: String) -> Problem {
    let (status, kind, detail) = match refusal {
        Refusal::ParentPast { .. } => return Problem::conflict("parent_finished", detail),
        Refusal::PausedAbove { .. } => return Problem::conflict("paused_above", detail),
        Refusal::NoSignal | Refusal::NotWaiting | Refusal::WaitsAnew => {
            return Problem::conflict("not_waiting", detail);
        }
        Refusal::Answered { status, .. } => (*status, "already_answered", detail),
        Refusal::AtWork => (JobStatus::Running, "at_work", detail),
        Refusal::Transition { status, trigger: Trigger::Cancel | Trigger::Pause | Trigger::Resume }
            if status.is_terminal() =>
        {
            (*status, "already_finished", format!("the job has ended: it is {status}; nothing was changed"))
        }
        Refusal::Transition { status, trigger: Trigger::Pause } => {
            (*status, "cancelling", "the job is being cancelled: nothing new of it is begun but its clean-up".into())
        }
        Refusal::Transition { status, trigger: Trigger::Retry } if status.is_terminal() => (
            *status,
            "not_retryable",
            format!("the job is {status}: there is nothing to retry; submit it again instead"),
        ),
        Refusal::Transition { status, trigger: Trigger::Retry } => {
            (*status, "not_finished", format!("the job is {status}; it can be retried once it has ended"))
        }
        Refusal::Transition { status, .. } => (*status, "conflict", detail),
    };
    Problem { job_status: Some(status), ..Problem::conflict(kind, detail) }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        let problem = match error {
            DecodeError::TooLarge { .. } => Self::too_large(error.to_string()),
            _ => Self::bad_request(error.to_string()),
        };
        match error.field() {
            Some(field) => problem.field(field),
            None => problem,
        }
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}
