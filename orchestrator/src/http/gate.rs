//! Before every handler: who asks, and whether that one may. After those that do something: the line of the audit.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt as _;

use super::{
    Problem,
    asked::{Asked, Peer},
    audited, cookie, forwarded, host,
    routes::Rights,
};
use crate::{
    access::{Action, Caller, Door, Hash, Offered, Refused, as_caller},
    app::App,
    ui::{self, guard},
};

/// What the gate knows.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) app: Arc<App>,
    pub(super) rights: Arc<Rights>,
}

/// Lets a request through to its handler, or says why not.
pub(super) async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    if let Some(Peer(peer)) = request.extensions().get().copied() {
        let client = forwarded::client(peer, request.headers(), &gate.app.door.config.proxies);
        request.extensions_mut().insert(Peer(client));
    }
    let asked = Asked::of(&gate.rights, &request);
    match admit(&gate.app.door, &asked, request.headers()).await {
        Ok(caller) => serve(gate.app, caller, asked, request, next).await,
        Err(problem) => as_caller(Caller::NOBODY, async { refusal(problem, &asked) }).await,
    }
}

/// Who asks, if that one is let in.
async fn admit(door: &Door, asked: &Asked, headers: &HeaderMap) -> Result<Caller, Problem> {
    let is_open = asked.action == Some(Action::Open);
    if !door.asks() && !is_open && !host::is_ours(asked.host.as_deref(), &door.config.hosts) {
        return Err(Problem::forbidden(
            "this server is called by a name that is not one of its machine. Nobody is asked who they are here, so that only \
             127.0.0.1, localhost and [::1] are served; http.hosts adds names",
        ));
    }
    // A probe needs no database, and whoever logs in is nobody yet.
    if door.asks() && (is_open || asked.action == Some(Action::LogIn)) {
        return Ok(Caller::NOBODY);
    }
    let caller = match door.caller(offered(headers)?, asked.from).await {
        Ok(caller) => caller,
        // A session that has ended needs no end.
        Err(Refused::Unknown) if asked.action == Some(Action::LogOut) => Caller::NOBODY,
        Err(refused) => return Err(refused.into()),
    };
    if caller.role.is_none() && asked.role().is_some() {
        return Err(Refused::Nobody.into());
    }
    if caller.session.is_some() && !asked.is_safe() && !guard::says_whence(headers) {
        return Err(Problem::forbidden(
            "with the cookie of a session only the pages of this address may do something, and nothing says that this came \
             from one; a program sends a token instead",
        ));
    }
    door.take_request(&caller).map_err(Problem::spent)?;
    Ok(caller)
}

/// What came with it. A token goes before a cookie: who sends one means it.
fn offered(headers: &HeaderMap) -> Result<Offered, Problem> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|text| text.split_once(' '));
        return match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(Offered::Token(Hash::of(token.trim())))
            }
            _ => Err(Problem::unauthenticated("the header Authorization must be: Bearer TOKEN").field("Authorization")),
        };
    }
    Ok(cookie::read(headers).map_or(Offered::Nothing, |cookie| Offered::Session(Hash::of(cookie))))
}

/// Does what is asked for, if the caller may.
async fn serve(app: Arc<App>, caller: Caller, asked: Asked, request: Request, next: Next) -> Response {
    let problem = (!asked.is_allowed(&caller)).then(|| too_little(&caller, &asked));
    let refused = problem.map(|problem| (problem, asked.for_people));
    let reads = asked.is_safe() || !app.door.asks();
    let work = as_caller(caller.clone(), async move {
        match refused {
            None => next.run(request).await,
            Some((problem, true)) => ui::Failure::from(problem).into_response(),
            Some((problem, false)) => problem.into_response(),
        }
    });
    if reads {
        return while_worth(app, caller, work.await);
    }
    // What has begun is finished and has its line, also where whoever asked does not wait for the answer.
    let done = tokio::spawn(async move {
        let response = work.await;
        if let Some(line) = audited::line(&caller, asked, &response) {
            app.door.audit.keep(line).await;
        }
        response
    });
    done.await.unwrap_or_else(|error| Problem::internal(error).into_response())
}

fn too_little(caller: &Caller, asked: &Asked) -> Problem {
    let (role, name) = (asked.role().map_or("", |role| role.as_str()), caller.name().unwrap_or_default());
    let has = caller.role.map_or("", |role| role.as_str());
    Problem::role_needed(format!("this takes the role {role}, and the token {name} has the role {has}"))
}

/// A stream outlives the question who asks for it: it ends with the token.
fn while_worth(app: Arc<App>, caller: Caller, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if caller.account.is_none() || kind.is_none_or(|kind| !kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    let worthless = Box::pin(async move { app.door.until_worthless(&caller).await });
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(worthless)))
}

/// People are led to the log-in page, programs are told.
fn refusal(problem: Problem, asked: &Asked) -> Response {
    if !asked.for_people {
        return problem.into_response();
    }
    if problem.status() == StatusCode::UNAUTHORIZED {
        return ui::login::lead(if asked.is_safe() { &asked.address } else { "/" });
    }
    ui::Failure::from(problem).into_response()
}
