//! `drover demo`: an import of generated files, from nothing to a search hit.

mod data;
mod report;

use std::fs::File;

use drover_protocol::JobId;
use drover_service::{shutdown, telemetry};
use drover_worker::job_log_layer;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::data::Data;
use crate::{
    api::{Answer, JobView, Submitted},
    cli::Demo,
    client::Client,
    dev::{DevError, Setup, System, log_file},
    failure::{Exit, Failure},
    follow::{Update, follow},
    output::Output,
    render::live::Live,
};

/// A demo on a real broker keeps apart from what else is there.
const PREFIX: &str = "drover-demo";

pub(crate) async fn run(output: &Output, args: Demo) -> Result<Exit, Failure> {
    let shutdown = shutdown::on_signal().map_err(|error| Failure::Start(error.to_string()))?;
    let mut data = Data::folder()?;
    log_to_file(&data)?;
    report::title(output, &args);
    data.generate(output, &args).await?;
    let setup = Setup {
        data_dir: data.path("system"),
        listen: ([127, 0, 0, 1], 0).into(),
        prefix: args.servers.amqp_url.as_ref().map(|_| PREFIX.to_owned()),
        ..args.servers.setup()
    };
    let outcome = match shutdown.run_until_cancelled(System::start(setup)).await {
        None => return Ok(Exit::Interrupted),
        Some(Err(failure)) => Err(failure),
        Some(Ok(mut system)) => {
            report::started(output, &system);
            let url = system.url.clone();
            let outcome = tokio::select! {
                outcome = import(output, &data, &url, args.keep, &shutdown) => outcome,
                failure = system.failed() => Err(failure.into()),
            };
            system.stop().await;
            outcome
        }
    };
    if outcome.is_err() {
        output.note(format_args!("what happened is in {}", data.keep().display()));
    }
    outcome
}

/// Log lines would break the bars.
fn log_to_file(data: &Data) -> Result<(), Failure> {
    let unusable = |error: &dyn std::fmt::Display| Failure::Start(format!("the demo's log cannot be written: {error}"));
    let config = drover_worker::WorkerConfig::load(None, &[]).map_err(DevError::from)?;
    let file = File::create(log_file(data.root())).map_err(|error| unusable(&error))?;
    let layer = Box::new(job_log_layer(config.worker.log_level));
    telemetry::init_to(&config.log, vec![layer], file).map_err(|error| unusable(&error))
}

async fn import(
    output: &Output,
    data: &Data,
    url: &str,
    keep: bool,
    shutdown: &CancellationToken,
) -> Result<Exit, Failure> {
    let client = Client::new(url, None)?;
    let body = json!({ "type": "data_import", "params": data.params() });
    let submitted: Answer<Submitted> = client.submit(&body, &format!("demo/{}", Uuid::now_v7())).await?;
    let Some(job) = watch(client, submitted.body.id, shutdown).await? else { return Ok(Exit::Interrupted) };
    let hit = data.search();
    let wrong = data.differences(&job.body, hit.as_ref());
    report::end(output, data, &job, hit.as_ref())?;
    for difference in &wrong {
        output.note(format_args!("{} {difference}", console::style("wrong:").for_stderr().red().bold()));
    }
    if keep {
        report::kept(output, url, data);
        shutdown.cancelled().await;
    }
    Ok(if wrong.is_empty() { Exit::Done } else { Exit::JobFailed })
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
