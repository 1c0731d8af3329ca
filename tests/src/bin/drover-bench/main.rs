//! `drover-bench`: what RabbitMQ and Postgres can do on this machine, and how much of it Drover makes use of.
//!
//! Real servers, real processes. Each run starts fresh systems, of one orchestrator and one worker unless a part asks for more;
//! the figures are the medians of the runs. `docs/benchmarks.md` says what each figure means.

mod arguments;
mod cancel;
mod chain;
mod counts;
mod dev;
mod ends;
mod fan_out;
mod figures;
mod full_tables;
mod heartbeats;
mod lines;
mod machine;
mod meter;
mod progress;
mod raw_broker;
mod raw_postgres;
mod reports;
mod scale;
mod soak;
mod statements;
mod submissions;
mod system;
mod table;
mod time;
mod watch;
mod weight;
mod workflows;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use drover_tests::Vhost;
use serde_json::Value;

use arguments::{Arguments, Part};
use counts::Counts;
use figures::Figures;
use system::System;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments).await {
        Ok(report) => match std::io::stdout().write_all(report.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// All runs; what is to be printed.
async fn measure(arguments: &Arguments) -> anyhow::Result<String> {
    let counts = arguments.counts()?;
    let facts = machine::facts(&counts).await?;
    let mut figures = Figures::default();
    for run in 1..=counts.runs {
        let turn = Turn { run, counts: &counts, arguments };
        turn.measure(&mut figures).await?;
    }
    if arguments.json {
        let mut object = figures.json();
        object.extend(facts);
        return Ok(format!("{:#}\n", Value::Object(object)));
    }
    Ok(table::text(&figures, &facts, &counts.fan_outs))
}

/// The parts that one system goes through, one after the other.
const SHARED: [Part; 8] = [
    Part::Weight,
    Part::Chain,
    Part::FanOut,
    Part::Workflows,
    Part::Progress,
    Part::Cancel,
    Part::SubmitHttp,
    Part::SubmitAmqp,
];

/// One run of all parts.
struct Turn<'a> {
    run: u32,
    counts: &'a Counts,
    arguments: &'a Arguments,
}

impl Turn<'_> {
    /// Whether the part is measured; says so on stderr if it is.
    fn begins(&self, part: Part) -> bool {
        let wanted = self.arguments.wants(part);
        if wanted {
            eprintln!("bench: run {} of {}: {}", self.run, self.counts.runs, part.title(self.counts));
        }
        wanted
    }

    async fn measure(&self, figures: &mut Figures) -> anyhow::Result<()> {
        if self.begins(Part::RawBroker) {
            raw_broker::measure(&Vhost::create().await?, self.counts, figures).await?;
        }
        if self.begins(Part::RawPostgres) {
            raw_postgres::measure(self.counts, figures).await?;
        }
        if SHARED.into_iter().any(|part| self.arguments.wants(part)) {
            let mut system = System::start(self.counts).await?;
            self.measure_system(&mut system, figures).await?;
            system.done();
        }
        self.measure_others(figures).await
    }

    /// Parts that start a system of their own.
    async fn measure_others(&self, figures: &mut Figures) -> anyhow::Result<()> {
        if self.begins(Part::OneJob) {
            reports::measure(self.counts, figures).await?;
        }
        if self.begins(Part::Scale) {
            scale::measure(self.counts, figures).await?;
        }
        if self.begins(Part::Watch) {
            watch::measure(self.counts, figures).await?;
        }
        if self.begins(Part::FullTables) {
            full_tables::measure(self.counts, figures).await?;
        }
        if self.begins(Part::Heartbeats) {
            heartbeats::measure(self.counts, figures).await?;
        }
        if self.begins(Part::Dev) {
            dev::measure(self.counts, figures).await?;
        }
        if let Some(seconds) = self.arguments.soak.filter(|_| self.begins(Part::Soak)) {
            soak::measure(self.counts, seconds, figures).await?;
        }
        Ok(())
    }

    async fn measure_system(&self, system: &mut System, figures: &mut Figures) -> anyhow::Result<()> {
        if self.begins(Part::Weight) {
            weight::measure(system, figures, "idle").await?;
            weight::start_up(system, figures).await?;
        }
        system.warm_up().await?;
        if self.begins(Part::Chain) {
            chain::measure(system, self.counts, figures).await?;
        }
        if self.begins(Part::FanOut) {
            fan_out::measure(system, self.counts, figures).await?;
        }
        if self.begins(Part::Workflows) {
            workflows::measure(system, self.counts, figures, "workflow").await?;
        }
        if self.begins(Part::Progress) {
            progress::measure(system, self.counts, figures).await?;
        }
        // Last of those with a worker: it leaves the most behind.
        if self.begins(Part::Cancel) {
            cancel::measure(system, self.counts, figures).await?;
        }
        if self.arguments.wants(Part::Weight) {
            weight::measure(system, figures, "after_load").await?;
        }
        // From here on nobody takes what is submitted.
        system.stop_worker().await?;
        if self.begins(Part::SubmitHttp) {
            submissions::by_http(system, self.counts, figures).await?;
        }
        if self.begins(Part::SubmitAmqp) {
            submissions::by_amqp(system, self.counts, figures).await?;
        }
        Ok(())
    }
}
