//! The queues of the job types: what waits, who takes it, and keeping workers from taking it.

use axum::{extract::State, response::Response};
use drover_protocol::{JobType, limits};
use futures_util::{StreamExt as _, stream};
use maud::{Markup, html};
use serde_json::json;

use super::{
    Failure,
    form::Form,
    page::{Note, Page, Tab},
    parts, span,
};
use crate::{
    access::{Action, may},
    http::{Problem, Shared, audited::Told, query::Parameters},
    store::{QueueStanding, Types},
};

/// Waiting jobs are counted up to this.
const COUNTED: i64 = 10_000;
/// How many queues RabbitMQ is asked for at once.
const ASKED_AT_ONCE: usize = 8;

/// `GET /queues`
pub(super) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    parameters.only(&["note"])?;
    let store = &shared.app.store;
    let (queues, pauses) = tokio::try_join!(store.view_queues(COUNTED), store.view_pauses(None))?;
    let depths = depths(&shared, &queues).await;
    let all = pauses.iter().any(|pause| pause["type"] == "*");
    let rows: Vec<Markup> = queues.iter().zip(depths).map(|(queue, depth)| row(queue, depth, all)).collect();
    let body = html! {
        div.heading {
            h1 { "Queues" }
            @if all && may(Action::ResumeTypes) { (parts::action("/queues/resume", "Resume all", "primary", &[])) }
            @else if !all && !queues.is_empty() && may(Action::PauseTypes) { (parts::careful("/queues/pause", "Pause all", "Workers begin nothing, of whatever type, until it is resumed. What runs goes on.", &[])) }
        }
        @if queues.is_empty() {
            (parts::empty("There are no queues yet", &html! { p { "A queue is made when a worker announces its job type. " a href="/workers" { "Workers" } } }))
        } @else {
            (parts::table("Queues", &["Job type", "Waiting", "In RabbitMQ", "Oldest waits", "Running", "Workers", "State", "-Actions"], &rows))
            p.muted { "Waiting: published and not begun, as Postgres knows it. A workflow hands out a window of its batches at a time; the rest waits in Postgres." }
        }
    };
    Ok(Page::new("Queues", Tab::Queues, body).noting(&parameters).live(5))
}

/// What lies in RabbitMQ; none where it does not say.
async fn depths(shared: &Shared, queues: &[QueueStanding]) -> Vec<Option<u64>> {
    if !shared.app.broker.is_ready() {
        return vec![None; queues.len()];
    }
    let names = queues.iter().map(|queue| JobType::new(queue.job_type.as_str()).ok());
    let names: Vec<_> = names.map(|name| name.map(|name| shared.app.names.jobs_queue(&name))).collect();
    let ask = |name: Option<String>| async move { shared.app.broker.depth(&name?).await.ok().flatten() };
    stream::iter(names).map(ask).buffered(ASKED_AT_ONCE).collect().await
}

fn row(queue: &QueueStanding, depth: Option<u64>, all: bool) -> Markup {
    let own = queue.paused.as_deref().filter(|name| *name != "*");
    let field = [("type", queue.job_type.as_str())];
    html! {
        tr data-key=(queue.job_type) {
            td.name { a href={ "/jobs?parent=any&type=" (queue.job_type) } { (queue.title) } br; code { (queue.job_type) } }
            td.number { (queue.waiting.count) @if queue.waiting.more { "+" } }
            td.number { @match depth { Some(depth) => (depth), None => "–" } }
            td.number { @match queue.oldest_at { Some(at) => (span::ago(at)), None => "–" } }
            td.number { (queue.running) }
            td.number { @if queue.live_workers == 0 { span.bad { "none" } } @else { (queue.live_workers) " (" (queue.slots) " slots)" } }
            td { @if queue.paused.is_some() {
                span class="badge paused" { "❚❚ paused" } @if let Some(at) = queue.paused_at { " " (span::ago(at)) }
                @if let Some(reason) = &queue.paused_reason { br; span.muted { (reason) } }
            } @else { span class="badge completed" { "✓ open" } } }
            td {
                @if own.is_some() && may(Action::ResumeTypes) { (parts::action("/queues/resume", "Resume", "primary", &field)) }
                @else if own.is_none() && !all && may(Action::PauseTypes) { (pause_form(&queue.job_type)) }
            }
        }
    }
}

fn pause_form(job_type: &str) -> Markup {
    html! {
        details.careful {
            summary.button { "Pause…" }
            form.sheet method="post" action="/queues/pause" {
                input type="hidden" name="type" value=(job_type);
                label { "Why (others see it)" input name="reason" maxlength=(limits::KEY_BYTES); }
                button { "Pause " (job_type) }
            }
        }
    }
}

/// `POST /queues/pause`
pub(super) async fn pause(State(shared): State<Shared>, form: Form) -> Result<Response, Failure> {
    let reason = form.text("reason");
    if let Some(reason) = reason.filter(|reason| reason.len() > limits::KEY_BYTES) {
        let (long, limit) = (reason.len(), limits::KEY_BYTES);
        let problem = format!("the reason has {long} bytes, the limit is {limit}; nothing is paused");
        return Err(Problem::bad_request(problem).field("reason").into());
    }
    let types = types(&form)?;
    shared.app.pause_types(&types, reason).await?;
    Ok(Told::of(types.name()).with(json!({ "reason": reason })).to(form.back("/queues", Note::Paused)))
}

/// `POST /queues/resume`
pub(super) async fn resume(State(shared): State<Shared>, form: Form) -> Result<Response, Failure> {
    let types = types(&form)?;
    shared.app.resume_types(&types).await?;
    Ok(Told::of(types.name()).to(form.back("/queues", Note::Resumed)))
}

fn types(form: &Form) -> Result<Types, Problem> {
    match form.text("type") {
        None => Ok(Types::All),
        Some(name) => match JobType::new(name) {
            Ok(name) => Ok(Types::One(name)),
            Err(error) => Err(Problem::bad_request(error.to_string()).field("type")),
        },
    }
}
