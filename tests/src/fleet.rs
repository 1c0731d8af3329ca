//! A whole system for a test: a database, a vhost, orchestrators and workers as separate processes, and an API client.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    Database, Process, Vhost, free_port,
    management::http_client,
    wait::{self, Seen},
};

/// Long enough for a loaded machine; nothing waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A system under test.
pub struct Fleet {
    /// The orchestrators.
    pub orchestrators: Vec<Orchestrator>,
    /// The workers.
    pub workers: Vec<Process>,
    /// The database.
    pub database: Database,
    /// The vhost.
    pub vhost: Vhost,
    environment: Vec<(String, String)>,
    client: reqwest::Client,
    token: Option<String>,
}

/// An orchestrator's process and where it listens.
pub struct Orchestrator {
    /// The process.
    pub process: Process,
    /// `http://127.0.0.1:…`
    pub url: String,
}

impl Fleet {
    /// A system with this many orchestrators and no workers yet. `environment` goes to every process.
    ///
    /// # Errors
    /// When a server or a process does not start.
    pub async fn start(orchestrators: usize, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut fleet = Self::on(Database::create().await?, Vhost::create().await?)?;
        fleet.set_environment(environment);
        for _ in 0..orchestrators {
            let orchestrator = fleet.spawn_orchestrator()?;
            fleet.orchestrators.push(orchestrator);
        }
        for index in 0..orchestrators {
            fleet.ready(index).await?;
        }
        Ok(fleet)
    }

    /// A system without processes; those that the caller starts are added to it.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn on(database: Database, vhost: Vhost) -> anyhow::Result<Self> {
        let (orchestrators, workers, environment) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { orchestrators, workers, database, vhost, environment, client: http_client()?, token: None })
    }

    /// What every process gets that is started from now on.
    pub fn set_environment(&mut self, environment: &[(&str, &str)]) {
        self.environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    }

    /// The token that every request shows from now on.
    pub fn set_token(&mut self, token: impl Into<String>) {
        self.token = Some(token.into());
    }

    /// A request to the first orchestrator.
    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url()));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Starts an orchestrator's process, without waiting for it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn spawn_orchestrator(&self) -> anyhow::Result<Orchestrator> {
        self.spawn_orchestrator_on(self.database.url())
    }

    /// The same, with another way to the database.
    ///
    /// # Errors
    /// When it does not start.
    pub fn spawn_orchestrator_on(&self, database_url: &str) -> anyhow::Result<Orchestrator> {
        let port = free_port()?;
        let process = Process::spawn("drover-orchestrator", |command| {
            command
                .env("DROVER__DATABASE__URL", database_url)
                .env("DROVER__AMQP__URL", self.vhost.url())
                .env("DROVER__HTTP__LISTEN", format!("127.0.0.1:{port}"))
                .envs(self.environment.iter().cloned());
        })?;
        Ok(Orchestrator { process, url: format!("http://127.0.0.1:{port}") })
    }

    /// Waits until an orchestrator is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time.
    pub async fn ready(&mut self, index: usize) -> anyhow::Result<()> {
        let orchestrator = &mut self.orchestrators[index];
        orchestrator.process.wait_for_http(&format!("{}/healthz/ready", orchestrator.url), PATIENCE).await
    }

    /// Starts workers of a program and waits until they are entered.
    ///
    /// # Errors
    /// When one does not start or is not entered in time.
    pub async fn workers(&mut self, program: &str, count: usize, environment: &[(&str, &str)]) -> anyhow::Result<()> {
        for _ in 0..count {
            let worker = self.spawn_worker(program, environment)?;
            self.workers.push(worker);
        }
        self.entered().await
    }

    /// Waits until all workers are entered.
    ///
    /// # Errors
    /// When they are not in time.
    pub async fn entered(&self) -> anyhow::Result<()> {
        let expected = self.workers.len();
        wait::until("the workers to be entered", PATIENCE, async || {
            let workers = self.get("/api/v1/workers").await?;
            let live = workers["workers"]
                .as_array()
                .map_or(0, |workers| workers.iter().filter(|worker| worker["status"] == "live").count());
            Ok(if live >= expected { Seen::Yes(()) } else { Seen::not_yet(format!("{live} of {expected}")) })
        })
        .await
    }

    /// Starts a worker's process, without waiting for it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn spawn_worker(&self, program: &str, environment: &[(&str, &str)]) -> anyhow::Result<Process> {
        Process::spawn(program, |command| {
            command
                .env("DROVER__AMQP__URL", self.vhost.url())
                .envs(self.environment.iter().filter(|(name, _)| !name.starts_with("DROVER__ORCHESTRATOR")).cloned())
                .envs(environment.iter().copied());
        })
    }

    /// All went well: what the processes wrote is not printed when they end.
    pub fn silence(&mut self) {
        self.orchestrators.iter_mut().for_each(|orchestrator| orchestrator.process.silence());
        self.workers.iter_mut().for_each(Process::silence);
    }

    /// Where the first orchestrator listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.orchestrators[0].url
    }

    /// `GET path` of the first orchestrator, which must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.request(Method::GET, path, None).await?;
        if status >= 300 {
            bail!("GET {path}: {status} {body}");
        }
        Ok(body)
    }

    /// A request to the first orchestrator: status and JSON body.
    ///
    /// # Errors
    /// When it is not answered.
    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<(u16, Value)> {
        let mut request = self.call(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Registers a definition.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn apply(&self, definition: &str) -> anyhow::Result<()> {
        let response = self
            .call(Method::PUT, "/api/v1/definitions")
            .header("content-type", "application/yaml")
            .body(definition.to_owned())
            .send()
            .await?;
        let status = response.status();
        if !status.is_success() {
            bail!("{status}: {}", response.text().await?);
        }
        Ok(())
    }

    /// Registers a definition of a file.
    ///
    /// # Errors
    /// When it cannot be read or is refused.
    pub async fn apply_file(&self, file: &Path) -> anyhow::Result<()> {
        self.apply(&std::fs::read_to_string(file).with_context(|| file.display().to_string())?).await
    }

    /// Submits a job. Its id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn submit(&self, job_type: &str, params: Value) -> anyhow::Result<String> {
        let body = json!({ "type": job_type, "params": params });
        let (status, body) = self.request(Method::POST, "/api/v1/jobs", Some(body)).await?;
        match body["id"].as_str() {
            Some(id) if status == 201 => Ok(id.to_owned()),
            _ => bail!("submit {job_type}: {status} {body}"),
        }
    }

    /// A job as the API shows it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn job(&self, id: &str) -> anyhow::Result<Value> {
        self.get(&format!("/api/v1/jobs/{id}")).await
    }

    /// Waits until the job's view is as wanted.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn until(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        wait::until(what, PATIENCE, async || {
            let job = self.job(id).await?;
            Ok(if wanted(&job) { Seen::Yes(job) } else { Seen::not_yet(brief(&job)) })
        })
        .await
    }

    /// Waits until the job has ended. Then it must be what its history leads to.
    ///
    /// # Errors
    /// When it has not in time, or is not.
    pub async fn ended(&self, id: &str) -> anyhow::Result<Value> {
        let ends = ["completed", "completed_with_errors", "failed", "cancelled"];
        let job = self.until(id, "the job to end", |job| ends.iter().any(|end| job["status"] == *end)).await?;
        self.rebuilt(id).await?;
        Ok(job)
    }

    /// Replays a job, ended or not: it must be what its history leads to. What the replay says.
    ///
    /// # Errors
    /// When it is not, or is not replayed in time.
    pub async fn rebuilt(&self, id: &str) -> anyhow::Result<Value> {
        let path = format!("/api/v1/jobs/{id}/replay");
        let replayed = wait::until("the replay", PATIENCE, async || {
            match self.request(Method::GET, &path, None).await? {
                (200, replayed) => Ok(Seen::Yes(replayed)),
                // One at a time.
                (503, busy) => Ok(Seen::not_yet(busy)),
                (status, problem) => bail!("GET {path}: {status} {problem}"),
            }
        })
        .await?;
        if replayed["differences"] != json!([]) {
            bail!("its history leads elsewhere: {replayed:#}");
        }
        Ok(replayed)
    }

    /// Waits until a job's message is in its queue: nothing of it is owed to the broker any more.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn until_published(&self, id: &str) -> anyhow::Result<()> {
        let client = self.database.connect().await?;
        wait::until("the message to be published", PATIENCE, async || {
            let row = client.query_one("SELECT count(*) FROM outbox WHERE job_id::text = $1", &[&id]).await?;
            let owed: i64 = row.get(0);
            Ok(if owed == 0 { Seen::Yes(()) } else { Seen::not_yet("it is in the outbox") })
        })
        .await
    }

    /// Submits a job and waits until it has ended.
    ///
    /// # Errors
    /// When it is refused or does not end in time.
    pub async fn run(&self, job_type: &str, params: Value) -> anyhow::Result<Value> {
        let id = self.submit(job_type, params).await?;
        self.ended(&id).await
    }
}

/// What a failure message shows of a job.
fn brief(job: &Value) -> Value {
    json!({
        "status": job["status"], "progress": job["progress"], "message": job["message"], "error": job["error"],
        "metadata": job["metadata"],
    })
}
