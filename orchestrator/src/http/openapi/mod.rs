//! The API described by itself: paths and parameters stand at the handlers, of which the router is made; the shapes of bodies in
//! `schemas.json`, which the tests hold against real answers.

use std::sync::LazyLock;

use axum::http::header;
use drover_protocol::Submission;
use serde_json::{Value, json};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Shared, changes, dead, definitions, events, fleet, jobs, parts, pauses, prune, recover, replay, sweep};

/// Shapes that have no type of their own: the database makes them.
const SCHEMAS: &str = include_str!("schemas.json");

/// The whole document.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| whole(described().into_openapi()));

/// The API's routes, each with its description.
pub(super) fn described() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(head())
        .routes(routes!(jobs::list, jobs::submit))
        .routes(routes!(jobs::show, jobs::delete))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::pause))
        .routes(routes!(jobs::resume))
        .routes(routes!(jobs::retry))
        .routes(routes!(sweep::cancel))
        .routes(routes!(sweep::retry))
        .routes(routes!(sweep::delete))
        .routes(routes!(parts::sub_jobs))
        .routes(routes!(parts::items))
        .routes(routes!(parts::logs))
        .routes(routes!(parts::history))
        .routes(routes!(replay::replay))
        .routes(routes!(events::stream))
        .routes(routes!(changes::stream))
        .routes(routes!(definitions::list, definitions::apply))
        .routes(routes!(definitions::show, definitions::apply_named))
        .routes(routes!(fleet::types))
        .routes(routes!(fleet::workers))
        .routes(routes!(pauses::list))
        .routes(routes!(pauses::pause_one))
        .routes(routes!(pauses::pause_all))
        .routes(routes!(pauses::resume_one))
        .routes(routes!(pauses::resume_all))
        .routes(routes!(recover::recover))
        .routes(routes!(prune::prune))
        .routes(routes!(dead::list))
        .routes(routes!(dead::show, dead::discard))
        .routes(routes!(dead::redrive))
        .routes(routes!(dead::redrive_many))
        .routes(routes!(dead::discard_many))
}

fn head() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Drover")
        .version("1")
        .description(Some("Workflow jobs: submitted, watched, steered. Errors are application/problem+json."));
    OpenApiBuilder::new().info(info.build()).build()
}

/// With the shapes of bodies, and the answer that every request may get.
fn whole(described: OpenApi) -> Value {
    // A document of ours is JSON, and the committed one is read by a test.
    let mut document = serde_json::to_value(described).unwrap_or_default();
    let mut schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    schemas["Submission"] = submission();
    document["components"] = json!({ "schemas": schemas });
    let problem = json!({
        "description": "It was refused, or failed.",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in paths.filter_map(Value::as_object_mut).flat_map(|path| path.values_mut()) {
        if let Some(responses) = operation["responses"].as_object_mut() {
            responses.insert("default".into(), problem.clone());
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
