//! The services as plain processes: the same commands, environment, users and rights, on private servers.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use drover_tests::{Database, Fleet, Process, Vhost, binary, fleet::Orchestrator, fleet::PATIENCE, free_port};
use reqwest::Url;
use serde_json::Value;
use tempfile::TempDir;

use crate::file::{Compose, Variables, root};

pub(crate) struct Deployment {
    pub(crate) compose: Compose,
    pub(crate) fleet: Fleet,
    /// What the containers know as `/data`.
    data: TempDir,
}

impl Deployment {
    /// Postgres and RabbitMQ with the deployment's users, and the schema; nothing that runs on.
    pub(crate) async fn prepared() -> Self {
        let compose = Compose::read(&Variables::new());
        let vhost = Vhost::create().await.expect("a vhost");
        vhost.define(&compose.definitions()).await.expect("RabbitMQ takes the definitions");
        let roles = init_script(&compose);
        let database = Database::by_script(&roles, &compose.environment("postgres")).await.expect("the roles are made");
        let mut fleet = Fleet::on(database, vhost).expect("a fleet");
        fleet.set_token(compose.variable("orchestrator-1", "DROVER_TOKEN"));
        let deployment = Self { compose, fleet, data: tempfile::tempdir().expect("a folder") };
        let mut migrate = deployment.spawn("migrate", None);
        assert!(migrate.wait_for_exit(PATIENCE).await.expect("it ends").success(), "{}", migrate.log());
        deployment
    }

    /// The whole system, with this many import workers, which start first.
    pub(crate) async fn up(workers: usize) -> Self {
        let mut deployment = Self::prepared().await;
        for _ in 0..workers {
            let worker = deployment.spawn("import-worker", None);
            deployment.fleet.workers.push(worker);
        }
        for service in ["orchestrator-1", "orchestrator-2"] {
            let port = free_port().expect("a port");
            let process = deployment.spawn(service, Some(port));
            let url = format!("http://127.0.0.1:{port}");
            deployment.fleet.orchestrators.push(Orchestrator { process, url });
        }
        for index in 0..2 {
            deployment.fleet.ready(index).await.expect("it is ready");
        }
        deployment.fleet.entered().await.expect("the workers are entered");
        deployment
    }

    /// A path as the containers know it, as this machine does.
    pub(crate) fn data(&self, path: &str) -> String {
        let below = path.strip_prefix("/data").expect("a path of the volume");
        format!("{}{below}", self.data.path().display())
    }

    fn spawn(&self, service: &str, port: Option<u16>) -> Process {
        let command = self.compose.command(service);
        Process::spawn(&command[0], |process| {
            process.args(&command[1..]);
            for (name, value) in self.compose.environment(service) {
                process.env(&name, self.here(&name, &value, port));
            }
        })
        .expect("it starts")
    }

    /// A value of the environment, with what is only there in containers replaced.
    fn here(&self, name: &str, value: &str, port: Option<u16>) -> String {
        match name {
            "DROVER__AMQP__URL" => self.amqp_url(value).into(),
            "DROVER__DATABASE__URL" => {
                let url = Url::parse(value).expect("a URL");
                assert_eq!((url.host_str(), url.port(), url.path()), (Some("postgres"), Some(5432), "/drover"));
                let password = url.password().expect("a password");
                self.fleet.database.url_as(url.username(), password).expect("a URL").into()
            }
            "DROVER__HTTP__LISTEN" => {
                assert_eq!(value, "0.0.0.0:8420", "the port that is published and asked for its health");
                format!("127.0.0.1:{}", port.expect("an orchestrator"))
            }
            "DROVER__ORCHESTRATOR__DEFINITIONS" => {
                assert_eq!(value, "/etc/drover/workflows");
                root().join("workflows").display().to_string()
            }
            "DROVER__HTTP__AUTH" | "DROVER__HTTP__ADMIN_TOKEN" | "DROVER_TOKEN" => value.to_owned(),
            "DROVER__FILES__MEDIA" => {
                assert_eq!(value, "/media/generated");
                self.data("/data/generated")
            }
            "DROVER_IMPORT_ROOTS" => self.data(value),
            "DROVER__LOG__FORMAT" => value.to_owned(),
            _ => panic!("{name}: say here what it is outside of a container"),
        }
    }

    /// An address of the compose network or of a published port.
    pub(crate) fn amqp_url(&self, value: &str) -> Url {
        let url = Url::parse(value).expect("a URL");
        let place = (url.host_str(), url.port(), url.path());
        assert!(
            [(Some("rabbitmq"), Some(5672), "/drover"), (Some("127.0.0.1"), Some(5672), "/drover")].contains(&place),
            "{place:?}"
        );
        self.fleet.vhost.url_as(url.username(), url.password().expect("a password")).expect("a URL")
    }

    /// The password of a user of RabbitMQ.
    pub(crate) fn password(&self, user: &str) -> String {
        let definitions = self.compose.definitions();
        let users = definitions["users"].as_array().expect("users");
        let entry = users.iter().find(|entry| entry["name"] == user).unwrap_or_else(|| panic!("no user {user}"));
        entry["password"].as_str().expect("a password").to_owned()
    }

    pub(crate) async fn connect(&self, user: &str) -> lapin::Connection {
        self.fleet.vhost.connect_as(user, &self.password(user)).await.expect("connected")
    }

    /// Runs a program of the image in a running container of a service.
    pub(crate) fn exec(&self, service: &str, command: &[String]) -> Output {
        let token = self.compose.environment(service).into_iter().find(|(name, _)| name == "DROVER_TOKEN");
        let arguments = command[1..].iter().map(|argument| argument.replace("/data", &self.data("/data")));
        let mut process = Command::new(binary(&command[0]).expect("a program of the image"));
        process.args(arguments).env("DROVER_URL", self.fleet.url()).env_remove("DROVER_TOKEN").envs(token);
        process.output().expect("it runs")
    }

    /// Writes a data set to import, and gives its manifest.
    pub(crate) fn generate(&self, out: &str, files: usize, rows: usize) -> Value {
        let (files, rows) = (files.to_string(), rows.to_string());
        let command = ["drover-import-worker", "generate", "--out", out, "--files", &files, "--rows", &rows];
        let output = self.exec("import-worker", &command.map(str::to_owned));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the manifest is JSON")
    }
}

/// The file that the image of Postgres runs on an empty volume.
fn init_script(compose: &Compose) -> PathBuf {
    let mounts = compose.service("postgres")["volumes"].as_array().expect("volumes");
    let mounts = mounts.iter().map(|mount| mount.as_str().expect("a text").split(':').collect::<Vec<_>>());
    let scripts: Vec<Vec<&str>> = mounts.filter(|mount| mount[1].starts_with("/docker-entrypoint-initdb.d/")).collect();
    assert_eq!(scripts.len(), 1);
    assert_eq!(Path::new(scripts[0][1]).extension().expect("an ending"), "sql", "the image runs it with psql");
    root().join(scripts[0][0])
}
