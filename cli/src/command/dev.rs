//! `drover dev`

use drover_service::shutdown;
use drover_worker::job_log_layer;
use serde_json::{Value, json};

use crate::{
    cli::{Dev, Servers},
    dev::{MediaSetup, Setup, System, default_folder},
    failure::{Exit, Failure},
    output::Output,
};

/// The port of an orchestrator.
pub(crate) const PORT: u16 = 8420;

pub(crate) async fn run(output: &Output, args: Dev) -> Result<Exit, Failure> {
    let config = drover_worker::WorkerConfig::load(None, &[]).map_err(|error| Failure::Usage(error.to_string()))?;
    drover_service::telemetry::init(&config.log, vec![Box::new(job_log_layer(config.worker.log_level))])
        .map_err(|error| Failure::Start(error.to_string()))?;
    let data_dir = args.data_dir.unwrap_or_else(default_folder);
    let setup = Setup {
        data_dir,
        listen: ([127, 0, 0, 1], args.port).into(),
        definitions: args.workflows,
        media: MediaSetup::IfPossible,
        ..args.servers.setup()
    };
    let shutdown = shutdown::on_signal().map_err(|error| Failure::Start(error.to_string()))?;
    let Some(started) = shutdown.run_until_cancelled(System::start(setup)).await else { return Ok(Exit::Done) };
    let mut system = started?;
    announce(output, &system)?;
    tokio::select! {
        () = shutdown.cancelled() => {
            system.stop().await;
            Ok(Exit::Done)
        }
        failure = system.failed() => {
            system.stop().await;
            Err(failure.into())
        }
    }
}

impl Servers {
    /// A setup with these servers; the rest is the command's.
    pub(crate) fn setup(self) -> Setup {
        Setup {
            data_dir: default_folder(),
            listen: ([127, 0, 0, 1], PORT).into(),
            amqp_url: self.amqp_url.map(Into::into),
            prefix: None,
            database_url: self.database_url.map(Into::into),
            definitions: None,
            media: MediaSetup::Without,
        }
    }
}

fn announce(output: &Output, system: &System) -> Result<(), Failure> {
    let System { url, database, broker, media, .. } = system;
    let (workers, concurrency) = (system.workers(), system.concurrency());
    if output.json {
        let media = match media {
            Some(Ok(downloads)) => json!({ "downloads": downloads }),
            Some(Err(reason)) => json!({ "missing": reason }),
            None => Value::Null,
        };
        return output.json_line(&json!({
            "url": url, "pid": std::process::id(), "database": database, "broker": broker, "workers": workers,
            "concurrency": concurrency, "media": media,
        }));
    }
    let bold = console::Style::new().bold();
    let elsewhere = if url.ends_with(&format!(":{PORT}")) { String::new() } else { format!(" --url {url}") };
    let (media, videos) = match media {
        Some(Ok(downloads)) => (
            format!("\n  media     videos in {}", downloads.display()),
            format!("\n          drover submit{elsewhere} process_new_scenes --wait"),
        ),
        Some(Err(reason)) => (format!("\n  media     no jobs of the media worker: {reason}"), String::new()),
        None => Default::default(),
    };
    output.line(format_args!(
        "\n{} {url}\n\n  database  {database}\n  broker    {broker}\n  workers   {}, {concurrency} jobs at once each{media}\n\n\
         Try it:   drover submit{elsewhere} data_import --param import_path=/folder/with/files --wait{videos}\n\
         Ctrl-C stops it; the next start goes on where this one ended.\n",
        bold.apply_to("Drover runs at"),
        workers.join(", "),
    ))
}
