//! The web pages: rendered here, live by the stream of changes, and whole without scripts. Reading is a `GET` with everything in the
//! address; acting is a `POST` of a plain form, answered with the way back.

mod assets;
mod audit;
mod chart;
mod dead;
mod definitions;
mod failure;
mod form;
pub(crate) mod guard;
mod job;
mod jobs;
pub(crate) mod login;
mod model;
mod overview;
mod page;
mod parts;
mod queues;
mod reference;
mod run;
mod schedules;
mod span;
mod tokens;
mod workers;

use crate::{access::Action, http::routes::Routes};

pub(crate) use failure::Failure;

/// Every page and every form, added to what there is.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get("/", Action::Read, overview::show)
        .get("/jobs", Action::Read, jobs::list)
        .post("/jobs/bulk", Action::Many, jobs::bulk)
        .get("/jobs/{id}", Action::Read, job::show)
        .post("/jobs/{id}/cancel", Action::Cancel, job::actions::cancel)
        .post("/jobs/{id}/pause", Action::Pause, job::actions::pause)
        .post("/jobs/{id}/resume", Action::Resume, job::actions::resume)
        .post("/jobs/{id}/answer", Action::Answer, job::answer::answer)
        .post("/jobs/{id}/retry", Action::Retry, job::actions::retry)
        .post("/jobs/{id}/delete", Action::Delete, job::actions::delete)
        .get("/run", Action::Read, run::choose)
        .get("/run/{name}", Action::Read, run::show)
        .post("/run/{name}", Action::Submit, run::submit)
        .get("/workers", Action::Read, workers::list)
        .post("/workers/{session}/drain", Action::Drain, workers::drain)
        .get("/queues", Action::Read, queues::list)
        .post("/queues/pause", Action::PauseTypes, queues::pause)
        .post("/queues/resume", Action::ResumeTypes, queues::resume)
        .get("/dead", Action::Read, dead::list)
        .get("/dead/{id}", Action::Read, dead::show)
        .post("/dead/{id}/redrive", Action::Redrive, dead::redrive)
        .post("/dead/{id}/discard", Action::Discard, dead::discard)
        .get("/definitions", Action::Read, definitions::list)
        .get("/definitions/{name}", Action::Read, definitions::show)
        .get("/schedules", Action::Read, schedules::list)
        .post("/schedules/{name}/enable", Action::EnableSchedule, schedules::enable)
        .post("/schedules/{name}/disable", Action::DisableSchedule, schedules::disable)
        .post("/schedules/{name}/run", Action::RunSchedule, schedules::run)
        .get("/api", Action::Read, reference::show)
        .get("/tokens", Action::ReadTokens, tokens::list)
        .post("/tokens", Action::CreateToken, tokens::create)
        .post("/tokens/{id}/revoke", Action::RevokeToken, tokens::revoke)
        .get("/audit", Action::ReadAudit, audit::list)
        .get("/login", Action::Open, login::show)
        .post("/login", Action::LogIn, login::log_in)
        .post("/logout", Action::LogOut, login::log_out)
        .get("/assets/{name}", Action::Open, assets::serve)
}
