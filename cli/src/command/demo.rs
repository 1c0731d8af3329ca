//! `drover demo`: a workflow on files of its own, from nothing to what came of it.

mod folder;
mod import;
mod report;
mod scenes;

use std::fs::File;

use drover_protocol::JobId;
use drover_service::{shutdown, telemetry};
use drover_worker::job_log_layer;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{folder::Folder, import::Import, scenes::Scenes};
use crate::{
    api::{Answer, JobView, Submitted},
    cli::{Demo, Shown},
    client::Client,
    dev::{DevError, MediaSetup, Setup, System, log_file},
    failure::{Exit, Failure},
    follow::{Update, follow},
    output::Output,
    render::live::Live,
};

/// A demo on a real broker keeps apart from what else is there.
const PREFIX: &str = "drover-demo";

pub(crate) async fn run(output: &Output, args: Demo) -> Result<Exit, Failure> {
    let shutdown = shutdown::on_signal().map_err(|error| Failure::Start(error.to_string()))?;
    let mut folder = Folder::new()?;
    log_to_file(&folder)?;
    let act = Act::prepare(output, &args, &folder).await?;
    let setup = Setup {
        data_dir: folder.path("system"),
        listen: ([127, 0, 0, 1], 0).into(),
        prefix: args.servers.amqp_url.as_ref().map(|_| PREFIX.to_owned()),
        media: act.media(),
        ..args.servers.setup()
    };
    let outcome = match shutdown.run_until_cancelled(System::start(setup)).await {
        None => return Ok(Exit::Interrupted),
        Some(Err(failure)) => Err(failure),
        Some(Ok(mut system)) => {
            report::started(output, &system);
            let url = system.url.clone();
            let outcome = tokio::select! {
                outcome = act.play(output, &url, args.keep, &shutdown) => outcome,
                failure = system.failed() => Err(failure.into()),
            };
            system.stop().await;
            outcome
        }
    };
    if outcome.is_err() {
        output.note(format_args!("what happened is in {}", folder.keep().display()));
    }
    outcome
}

/// What came of it.
struct Played {
    /// What was found otherwise than the files are.
    wrong: Vec<String>,
    /// A command to look around with in what stays up.
    hint: String,
}

/// What is shown.
enum Act {
    Import(Import),
    Scenes(Scenes),
}

impl Act {
    /// Makes its files.
    async fn prepare(output: &Output, args: &Demo, folder: &Folder) -> Result<Self, Failure> {
        match args.workflow {
            Shown::DataImport => Ok(Self::Import(Import::prepare(output, args, folder).await?)),
            Shown::ProcessNewScenes => Ok(Self::Scenes(Scenes::prepare(output, args, folder).await?)),
        }
    }

    fn media(&self) -> MediaSetup {
        match self {
            Self::Import(_) => MediaSetup::Without,
            Self::Scenes(scenes) => MediaSetup::Within(scenes.folder().to_owned()),
        }
    }

    /// Runs the workflow and says what came of it.
    async fn play(
        &self,
        output: &Output,
        url: &str,
        keep: bool,
        shutdown: &CancellationToken,
    ) -> Result<Exit, Failure> {
        let client = Client::new(url, None)?;
        let played = match self {
            Self::Import(import) => import.play(output, client, shutdown).await?,
            Self::Scenes(scenes) => scenes.play(output, client, url, shutdown).await?,
        };
        let Some(Played { wrong, hint }) = played else { return Ok(Exit::Interrupted) };
        for difference in &wrong {
            output.note(format_args!("{} {difference}", console::style("wrong:").for_stderr().red().bold()));
        }
        if keep {
            report::kept(output, url, &hint);
            shutdown.cancelled().await;
        }
        Ok(if wrong.is_empty() { Exit::Done } else { Exit::JobFailed })
    }
}

/// Log lines would break the bars.
fn log_to_file(folder: &Folder) -> Result<(), Failure> {
    let unusable = |error: &dyn std::fmt::Display| Failure::Start(format!("the demo's log cannot be written: {error}"));
    let config = drover_worker::WorkerConfig::load(None, &[]).map_err(DevError::from)?;
    let file = File::create(log_file(folder.root())).map_err(|error| unusable(&error))?;
    let layer = Box::new(job_log_layer(config.worker.log_level));
    telemetry::init_to(&config.log, vec![layer], file).map_err(|error| unusable(&error))
}

/// Runs a job and shows it until its end. `None`: somebody ended the demo before.
async fn run_job(
    client: &Client,
    job_type: &str,
    params: Value,
    shutdown: &CancellationToken,
) -> Result<Option<Answer<JobView>>, Failure> {
    let body = json!({ "type": job_type, "params": params });
    let submitted: Answer<Submitted> = client.submit(&body, &format!("demo/{}", Uuid::now_v7())).await?;
    watch(client.clone(), submitted.body.id, shutdown).await
}

/// Shows the job until its end. `None`: somebody ended the demo before.
async fn watch(client: Client, id: JobId, shutdown: &CancellationToken) -> Result<Option<Answer<JobView>>, Failure> {
    let mut updates = follow(client, id);
    let mut live = Live::new();
    while let Some(Some(update)) = shutdown.run_until_cancelled(updates.recv()).await {
        match update? {
            Update::Job(job) => live.show(&job.body),
            Update::Lost(reason) => live.lost(&reason),
            Update::End(job) => {
                live.end(&job.body);
                return Ok(Some(*job));
            }
        }
    }
    live.leave();
    Ok(None)
}
