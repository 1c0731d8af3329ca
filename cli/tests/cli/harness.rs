//! A server with canned answers, and the binary.

use std::{
    process::{Output, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, process::Command};

pub(crate) const ID: &str = "01980c5e-7a00-7d10-8b6e-3f6f3ad3a001";
pub(crate) const OTHER: &str = "01980c5e-7a31-7b42-9d0e-6b1f0c9e7002";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method, path below `/api/v1` (a probe's whole) and query.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What is answered.
pub(crate) enum Reply {
    Json(u16, Value),
    /// With a `Retry-After` of no time.
    Busy(Value),
    Text(u16, &'static str),
    /// An event stream of these chunks; it ends as it should, or breaks.
    Events {
        chunks: Vec<String>,
        breaks: bool,
    },
    /// An event stream of these chunks that stays open.
    OpenEvents(Vec<String>),
    Empty(u16),
}

type Answers = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

/// A server on a port of its own. It ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone)]
struct Shared {
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Answers>,
}

impl Server {
    /// Answers by the request and by how often the same line was asked before.
    pub(crate) async fn start(answers: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Shared { asked: Arc::clone(&asked), answers: Arc::new(answers) };
        let router = Router::new().fallback(answer).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, asked }
    }

    /// A server that gives everybody the same JSON.
    pub(crate) async fn always(status: u16, value: Value) -> Self {
        Self::start(move |_, _| Reply::Json(status, value.clone())).await
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The request lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// Runs `drover` with these arguments to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Run {
        run(command(&self.url, args), "").await
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        command(&self.url, args)
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let target = parts.uri.to_string();
    let probe = target.starts_with("/healthz/").then_some(target.as_str());
    let path = target.strip_prefix("/api/v1").or(probe).unwrap_or_else(|| panic!("{target} is outside the API"));
    let asked = Asked {
        line: format!("{} {path}", parts.method),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let before = {
        let mut all = shared.asked.lock().unwrap();
        let before = all.iter().filter(|other| other.line == asked.line).count();
        all.push(asked.clone());
        before
    };
    respond((shared.answers)(&asked, before))
}

fn respond(reply: Reply) -> Response {
    let (status, content_type, body) = match reply {
        Reply::Json(status, value) => (status, "application/json", Body::from(value.to_string())),
        Reply::Busy(value) => (503, "application/problem+json", Body::from(value.to_string())),
        Reply::Text(status, text) => (status, "text/html", Body::from(text)),
        Reply::Empty(status) => (status, "application/json", Body::empty()),
        Reply::Events { chunks, breaks } => {
            let end = breaks.then(|| Err(std::io::Error::other("the test breaks the stream")));
            let chunks = chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk))).chain(end);
            (200, "text/event-stream", Body::from_stream(stream::iter(chunks.collect::<Vec<_>>())))
        }
        Reply::OpenEvents(chunks) => {
            let chunks = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
            let open = futures_util::StreamExt::chain(stream::iter(chunks.collect::<Vec<_>>()), stream::pending());
            (200, "text/event-stream", Body::from_stream(open))
        }
    };
    let status = StatusCode::from_u16(status).unwrap();
    let response = Response::builder().status(status).header("content-type", content_type);
    let response = if status == 503 { response.header("retry-after", "0") } else { response };
    response.body(body).unwrap()
}

pub(crate) fn command(url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drover"));
    command.args(args).env("DROVER_URL", url).env("TZ", "UTC").env_remove("COLUMNS").env_remove("NO_COLOR");
    command.env_remove("DROVER_TOKEN").env_remove("DROVER_TOKEN_FILE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs the command to its end, with a text on standard input.
pub(crate) async fn run(mut command: Command, stdin: &str) -> Run {
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // A command that does not read its input may have gone by now.
    let _ = input.write_all(stdin.as_bytes()).await;
    drop(input);
    child.wait_with_output().await.unwrap().into()
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let run = Self {
            code: output.status.code().expect("it ended by itself"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!format!("{}{}", run.stdout, run.stderr).contains('\u{1b}'), "colours outside of a terminal: {run:?}");
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run
    }
}

impl Run {
    /// Asserts the exit code and gives standard output.
    #[track_caller]
    pub(crate) fn code(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        &self.stdout
    }

    /// Standard output as exactly one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {:?}", self.stdout))
    }
}

/// A job as the API shows it, with some fields of its own.
pub(crate) fn job(status: &str, own: Value) -> Value {
    let mut job = json!({
        "id": ID, "type": "data_import", "title": "Data import", "status": status, "progress": 45.25,
        "message": "Step 1/2: File validation", "processed": null, "total": null, "attempt": 1, "dispatch": 1,
        "parent_id": null, "root_id": ID, "step": null, "batch_index": null, "labels": { "team": "sales" },
        "created_at": "2026-07-26T12:00:00Z", "started_at": "2026-07-26T12:00:01Z", "finished_at": null, "run_at": null,
        "error": null, "is_workflow": true,
    });
    job.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    job
}

/// The metadata of a workflow of two steps.
pub(crate) fn metadata(message: &str) -> Value {
    json!({
        "current_step": 1, "total_steps": 2, "step_name": "File validation", "active_sub_job": null, "message": message,
        "steps": [
            {
                "key": "validation", "title": "File validation", "status": "completed", "progress": 100.0, "weight": 20,
                "total": 1, "done": 1, "failed": 0, "running": 0, "started_at": "2026-07-26T12:00:01Z",
                "finished_at": "2026-07-26T12:00:06Z",
            },
            {
                "key": "processing", "title": "File processing", "status": "running", "progress": 31.5, "weight": 80,
                "total": 240, "done": 70, "failed": 2, "running": 4, "started_at": "2026-07-26T12:00:06Z",
                "finished_at": null,
            },
        ],
    })
}

/// A workflow that has ended.
pub(crate) fn ended(status: &str) -> Value {
    let failed = status == "failed";
    let error = json!({ "kind": "step_failed", "message": "File processing: disk is full", "retryable": true });
    job(
        status,
        json!({
            "progress": if failed { 45.25 } else { 100.0 }, "finished_at": "2026-07-26T12:01:13Z", "message": null,
            "error": if failed { error } else { Value::Null }, "metadata": metadata(""),
            "result": { "job_id": ID, "status": status, "steps": {}, "summary": { "total_files": 240, "total_errors": 2 } },
        }),
    )
}

pub(crate) fn event(name: &str, data: &Value) -> String {
    format!(": keep-alive\n\nevent: {name}\nid: 1\ndata: {data}\n\n")
}

/// An error of the API.
pub(crate) fn problem(status: u16, kind: &str, detail: &str, own: Value) -> Value {
    let mut problem =
        json!({ "type": format!("/problems/{kind}"), "title": kind, "status": status, "kind": kind, "detail": detail });
    problem.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    problem
}
