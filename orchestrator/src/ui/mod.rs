//! The web pages: rendered here, live by the stream of changes, and whole without scripts. Reading is a `GET` with everything in the
//! address; acting is a `POST` of a plain form, answered with the way back.

mod assets;
mod chart;
mod dead;
mod definitions;
mod failure;
mod form;
pub(crate) mod guard;
mod job;
mod jobs;
mod model;
mod overview;
mod page;
mod parts;
mod queues;
mod reference;
mod run;
mod span;
mod workers;

use axum::{
    Router,
    routing::{get, post},
};

use crate::http::Shared;

pub(crate) use failure::Failure;

/// Every page and every form.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(overview::show))
        .route("/jobs", get(jobs::list))
        .route("/jobs/bulk", post(jobs::bulk))
        .route("/jobs/{id}", get(job::show))
        .route("/jobs/{id}/cancel", post(job::actions::cancel))
        .route("/jobs/{id}/pause", post(job::actions::pause))
        .route("/jobs/{id}/resume", post(job::actions::resume))
        .route("/jobs/{id}/retry", post(job::actions::retry))
        .route("/jobs/{id}/delete", post(job::actions::delete))
        .route("/run", get(run::choose))
        .route("/run/{name}", get(run::show).post(run::submit))
        .route("/workers", get(workers::list))
        .route("/workers/{session}/drain", post(workers::drain))
        .route("/queues", get(queues::list))
        .route("/queues/pause", post(queues::pause))
        .route("/queues/resume", post(queues::resume))
        .route("/dead", get(dead::list))
        .route("/dead/{id}", get(dead::show))
        .route("/dead/{id}/redrive", post(dead::redrive))
        .route("/dead/{id}/discard", post(dead::discard))
        .route("/definitions", get(definitions::list))
        .route("/definitions/{name}", get(definitions::show))
        .route("/api", get(reference::show))
        .route("/assets/{name}", get(assets::serve))
}
