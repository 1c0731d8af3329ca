//! The API described by itself: paths and parameters stand at the handlers, of which the router is made; the shapes of bodies in
//! `schemas.json`, which the tests hold against real answers.

use std::sync::LazyLock;

use axum::http::{Method, header};
use drover_protocol::Submission;
use serde_json::{Value, json};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::routes;

use super::{
    answer, audit, changes, dead, definitions, events, fleet, jobs, parts, pauses, prune, recover, replay,
    routes::{Rights, Routes},
    schedules, sweep, tokens,
};
use crate::access::{Action, Role};

/// What is said of tokens.
const SECURITY: &str = "A token of `drover token create`. Where http.auth is none nobody is asked for one. `x-role` of an \
                        operation is the least role that it takes: viewer, submitter, operator or admin.";

/// Shapes that have no type of their own: the database makes them.
const SCHEMAS: &str = include_str!("schemas.json");

/// The whole document.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let (_, document, rights) = described().finish();
    whole(document, &rights)
});

/// The API's routes, each with its action and its description.
pub(super) fn described() -> Routes {
    Routes::new(head())
        .api(Action::Read, routes!(jobs::list))
        .api(Action::Submit, routes!(jobs::submit))
        .api(Action::Read, routes!(jobs::show))
        .api(Action::Delete, routes!(jobs::delete))
        .api(Action::Cancel, routes!(jobs::cancel))
        .api(Action::Pause, routes!(jobs::pause))
        .api(Action::Resume, routes!(jobs::resume))
        .api(Action::Answer, routes!(answer::answer))
        .api(Action::Retry, routes!(jobs::retry))
        .api(Action::Cancel, routes!(sweep::cancel))
        .api(Action::Retry, routes!(sweep::retry))
        .api(Action::Delete, routes!(sweep::delete))
        .api(Action::Read, routes!(parts::sub_jobs))
        .api(Action::Read, routes!(parts::items))
        .api(Action::Read, routes!(parts::logs))
        .api(Action::Read, routes!(parts::history))
        .api(Action::Replay, routes!(replay::replay))
        .api(Action::Read, routes!(events::stream))
        .api(Action::Read, routes!(changes::stream))
        .api(Action::Read, routes!(definitions::list))
        .api(Action::Apply, routes!(definitions::apply))
        .api(Action::Read, routes!(definitions::show))
        .api(Action::Read, routes!(definitions::versions))
        .api(Action::Apply, routes!(definitions::apply_named))
        .api(Action::Read, routes!(schedules::list))
        .api(Action::Read, routes!(schedules::show))
        .api(Action::EnableSchedule, routes!(schedules::enable))
        .api(Action::DisableSchedule, routes!(schedules::disable))
        .api(Action::RunSchedule, routes!(schedules::run))
        .api(Action::Read, routes!(fleet::types))
        .api(Action::Read, routes!(fleet::workers))
        .api(Action::Drain, routes!(fleet::drain))
        .api(Action::Read, routes!(pauses::list))
        .api(Action::PauseTypes, routes!(pauses::pause_one))
        .api(Action::PauseTypes, routes!(pauses::pause_all))
        .api(Action::ResumeTypes, routes!(pauses::resume_one))
        .api(Action::ResumeTypes, routes!(pauses::resume_all))
        .api(Action::Recover, routes!(recover::recover))
        .api(Action::Prune, routes!(prune::prune))
        .api(Action::Read, routes!(dead::list))
        .api(Action::Read, routes!(dead::show))
        .api(Action::Discard, routes!(dead::discard))
        .api(Action::Redrive, routes!(dead::redrive))
        .api(Action::Redrive, routes!(dead::redrive_many))
        .api(Action::Discard, routes!(dead::discard_many))
        .api(Action::ReadTokens, routes!(tokens::list))
        .api(Action::CreateToken, routes!(tokens::create))
        .api(Action::RevokeToken, routes!(tokens::revoke))
        .api(Action::ReadAudit, routes!(audit::list))
}

fn head() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Drover")
        .version("1")
        .description(Some("Workflow jobs: submitted, watched, steered. Errors are application/problem+json."));
    OpenApiBuilder::new().info(info.build()).build()
}

/// With the shapes of bodies, the role that each operation takes, and the answer that every request may get.
fn whole(described: OpenApi, rights: &Rights) -> Value {
    // A document of ours is JSON, and the committed one is read by a test.
    let mut document = serde_json::to_value(described).unwrap_or_default();
    let mut schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    schemas["Submission"] = submission();
    document["components"] = json!({
        "schemas": schemas,
        "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": SECURITY } },
    });
    document["security"] = json!([{ "token": [] }]);
    let problem = json!({
        "description": "It was refused, or failed.",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    for (path, methods) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap_or_default();
            let role = rights.of(&method, path).and_then(Action::role);
            operation["x-role"] = role.map(Role::as_str).into();
            operation["responses"]["default"] = problem.clone();
        }
    }
    document
}

/// What other systems submit has a type, which is described in `docs/wire`, too.
fn submission() -> Value {
    let schema = schemars::schema_for!(Submission).to_value();
    // Its parts stand within it; a reference begins at the document.
    let text = schema.to_string().replace("#/$defs/", "#/components/schemas/Submission/$defs/");
    serde_json::from_str(&text).unwrap_or(schema)
}

/// `GET /api/v1/openapi.json`
pub(super) async fn serve() -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.to_string())
}
