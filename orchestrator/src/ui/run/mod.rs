//! Running something from a form that is drawn from its schema.

mod draw;
mod fields;
mod read;

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use drover_engine::definition::FieldError;
use drover_protocol::{JobType, Submission, decode, limits};
use maud::{Markup, html};
use serde_json::{Value, json};
use uuid::Uuid;

use self::{draw::Given, fields::Field};
use super::{
    Failure,
    form::{Form, away},
    page::{Note, Page, Tab},
    parts,
};
use crate::{
    access::{Action, may},
    app::{ActionError, Idempotency},
    gather::Offer,
    http::{Problem, Shared, audited::Told, path::Name, query::Parameters},
};

/// Whose keys the form's are.
const SCOPE: &str = "ui";

/// `GET /run`
pub(super) async fn choose(State(shared): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    parameters.only(&[])?;
    let store = &shared.app.store;
    let (definitions, types) = tokio::try_join!(store.view_definitions(), store.view_types())?;
    let body = html! {
        h1 { "Run" }
        @if definitions.is_empty() && types.is_empty() { (nothing()) }
        @if !definitions.is_empty() {
            section { h2 { "Workflows" } ul.choose { @for definition in &definitions { (choice(definition, "name")) } } }
        }
        @if !types.is_empty() {
            section { h2 { "Single jobs" } p.muted { "As the workers announce them." } ul.choose { @for job_type in &types { (choice(job_type, "type")) } } }
        }
    };
    Ok(Page::new("Run", Tab::Run, body))
}

fn nothing() -> Markup {
    let next = html! { p { "Start a worker, or register a workflow: " code { "drover apply FILE" } "." } };
    parts::empty("There is nothing to run yet", &next)
}

fn choice(of: &Value, key: &str) -> Markup {
    let name = of[key].as_str().unwrap_or_default();
    html! {
        li { a href={ "/run/" (name) } {
            strong { (of["title"].as_str().unwrap_or(name)) }
            code { (name) }
            @if let Some(steps) = of["steps"].as_u64() { span.muted { (steps) " steps" } }
            @if of["live_workers"].as_i64() == Some(0) { span.bad { "no live worker takes it" } }
        } }
    }
}

/// What is to be run.
struct Runnable {
    name: JobType,
    title: String,
    schema: Value,
}

impl Runnable {
    /// The workflow of this name, or else the job type.
    async fn find(shared: &Shared, name: &str) -> Result<Self, Failure> {
        let name = JobType::new(name).map_err(|error| Problem::bad_request(error.to_string()).field("name"))?;
        let store = &shared.app.store;
        if let Some(definition) = store.view_definition(name.as_str()).await? {
            return Ok(Self { title: title(&definition, &name), schema: definition["input"].clone(), name });
        }
        let types = store.view_types().await?;
        let found = types.into_iter().find(|job_type| job_type["type"] == name.as_str());
        let found = found.ok_or_else(|| Problem::from(ActionError::UnknownType(name.clone())))?;
        Ok(Self { title: title(&found, &name), schema: found["params_schema"].clone(), name })
    }
}

fn title(of: &Value, name: &JobType) -> String {
    of["title"].as_str().unwrap_or(name.as_str()).to_owned()
}

/// `GET /run/{name}`
pub(super) async fn show(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Page, Failure> {
    parameters.only(&[])?;
    let runnable = Runnable::find(&shared, &name).await?;
    let fields = fields::of(&runnable.schema);
    Ok(page(&runnable, &fields, &Given::default()))
}

/// `POST /run/{name}`
pub(super) async fn submit(State(shared): State<Shared>, Name(name): Name, form: Form) -> Result<Response, Failure> {
    let runnable = Runnable::find(&shared, &name).await?;
    let fields = fields::of(&runnable.schema);
    let read = read::params(&fields, &form).and_then(|params| Ok((params, read::labels(&form)?)));
    let refused = match read {
        Ok((params, labels)) => match submit_as(&shared, &runnable, &form, params, labels).await? {
            Ok(answer) => return Ok(answer),
            Err(errors) => errors,
        },
        Err(errors) => errors,
    };
    let page = page(&runnable, &fields, &Given { form: Some(&form), errors: refused });
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The way to the job, or what of the parameters does not fit.
async fn submit_as(
    shared: &Shared,
    runnable: &Runnable,
    form: &Form,
    params: Value,
    labels: BTreeMap<String, String>,
) -> Result<Result<Response, Vec<FieldError>>, Failure> {
    let job_type = runnable.name.clone();
    let told = json!({ "type": job_type });
    let submission = Submission { job_type, params, labels, run_at: None, idempotency_key: None };
    // The same bounds as for what other programs send.
    let bytes = serde_json::to_vec(&submission).map_err(Problem::internal)?;
    let submission = match decode::<Submission>(None, &bytes, shared.app.message_bytes) {
        Ok(submission) => submission,
        Err(error) => return Ok(Err(vec![FieldError { pointer: String::new(), message: error.to_string() }])),
    };
    let key = form.text("key").filter(|key| key.len() <= limits::KEY_BYTES);
    let key = key.map(|key| Idempotency { scope: SCOPE.into(), key: key.into() });
    match shared.app.submit(Offer { submission, key, caller: None }).await {
        Ok(submitted) => {
            let note = if submitted.made.is_some() { Note::Submitted } else { Note::Known };
            Ok(Ok(Told::of(submitted.id).with(told).to(away(&format!("/jobs/{}", submitted.id), Some(note)))))
        }
        Err(ActionError::InvalidParams { errors, .. }) => Ok(Err(errors)),
        Err(error) => Err(error.into()),
    }
}

fn page(runnable: &Runnable, fields: &[Field], given: &Given<'_>) -> Page {
    // The same form sent twice, by a double click or a reload, makes one job.
    let key = given.form.and_then(|form| form.text("key")).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let body = html! {
        nav.crumbs aria-label="Where this is" { a href="/run" { "Run" } }
        h1 { (runnable.title) }
        p.meta { code { (runnable.name) } }
        (draw::errors(fields, given))
        form.run method="post" action={ "/run/" (runnable.name) } {
            input type="hidden" name="key" value=(key);
            @for field in fields { (draw::field(field, given)) }
            (draw::labels(given))
            @if may(Action::Submit) { p { button.primary { "Run" } } } @else { (parts::role_needed(Action::Submit)) }
        }
    };
    Page::new(format!("Run {}", runnable.title), Tab::Run, body)
}
