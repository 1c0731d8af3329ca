//! The command line.

use anyhow::ensure;
use clap::{Parser, ValueEnum};

use crate::counts::{self, Counts};

/// Measures what RabbitMQ and Postgres can do on this machine, and how much of it Drover makes use of.
///
/// Uses the servers that DROVER_TEST_AMQP_URL and DROVER_TEST_DATABASE_URL name, else private ones of scripts/servers.
#[derive(Parser)]
#[command(name = "drover-bench", version)]
pub(crate) struct Arguments {
    /// Print one JSON object and nothing else on stdout.
    #[arg(long)]
    pub(crate) json: bool,
    /// One run with smaller counts: a minute or two.
    #[arg(long)]
    quick: bool,
    /// The least that shows whether everything can be measured; the figures mean nothing.
    #[arg(long, conflicts_with = "quick")]
    tiny: bool,
    /// Measure only this part; may be given several times.
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Jobs of each fan-out that is run to its end and of each that is cancelled.
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    fan_out: Vec<u32>,
    /// How often everything is measured; the figures are the medians.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Also submit short workflows for so long, at half of the rate that was just reached: what grows, and what becomes slower.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(10..=86_400))]
    pub(crate) soak: Option<u32>,
    /// List the statements of each part by their total time. The server has to have pg_stat_statements loaded, which costs a
    /// little of every rate.
    #[arg(long)]
    statements: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    RawBroker,
    RawPostgres,
    Weight,
    Chain,
    FanOut,
    Cancel,
    Workflows,
    Progress,
    SubmitHttp,
    SubmitAmqp,
    OneJob,
    Scale,
    Watch,
    FullTables,
    Heartbeats,
    Dev,
    /// With --soak.
    Soak,
}

impl Part {
    /// What a progress line says.
    pub(crate) fn title(self, counts: &Counts) -> String {
        match self {
            Self::RawBroker => format!("RabbitMQ alone, {} messages", counts.messages),
            Self::RawPostgres => format!("Postgres alone, {} commits", counts.commits),
            Self::Weight => "idle memory and processor time, start and programs".into(),
            Self::Chain => format!("a chain of {} steps", counts.chain_steps),
            Self::FanOut => format!("fan-outs of {:?} jobs", counts.fan_outs),
            Self::Cancel => format!("cancels of fan-outs of {:?} jobs", counts.fan_outs),
            Self::Workflows => format!("{} workflows of {} steps", counts.workflows, counts.workflow_steps),
            Self::Progress => format!("{} reports of each of {} jobs", counts.reports, counts.running_jobs),
            Self::SubmitHttp => format!("{} submissions by HTTP", counts.submissions),
            Self::SubmitAmqp => format!("{} submissions by AMQP", counts.submissions),
            Self::OneJob => format!("{} reports of one job", counts.loop_reports),
            Self::Scale => "two orchestrators and four workers against one and one".into(),
            Self::Watch => format!("ten browsers while much changes, {} s", counts.watch_seconds),
            Self::FullTables => format!("{} finished and {} waiting jobs", counts.finished_jobs, counts.waiting_jobs),
            Self::Heartbeats => format!("heartbeats of {} workers", counts.crowd),
            Self::Dev => "a chain in drover dev".into(),
            Self::Soak => "half of the top rate for long".into(),
        }
    }
}

impl Arguments {
    /// How much these arguments ask for.
    ///
    /// # Errors
    /// When they contradict each other.
    pub(crate) fn counts(&self) -> anyhow::Result<Counts> {
        ensure!(self.soak.is_some() || !self.only.contains(&Part::Soak), "--only soak needs --soak SECONDS");
        let mut counts = match (self.tiny, self.quick) {
            (true, _) => counts::tiny(),
            (false, true) => counts::quick(),
            (false, false) => counts::full(),
        };
        if !self.fan_out.is_empty() {
            counts.fan_outs.clone_from(&self.fan_out);
        }
        if let Some(runs) = self.runs {
            counts.runs = runs;
        }
        counts.statements = self.statements;
        Ok(counts)
    }

    /// Whether a part is to be measured.
    pub(crate) fn wants(&self, part: Part) -> bool {
        let is_possible = part != Part::Soak || self.soak.is_some();
        is_possible && (self.only.is_empty() || self.only.contains(&part))
    }
}
