//! The command line, and how much is measured.

use clap::{Parser, ValueEnum};

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
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    RawBroker,
    RawPostgres,
    Memory,
    Chain,
    FanOut,
    Workflows,
    Progress,
    SubmitHttp,
    SubmitAmqp,
}

impl Part {
    /// What a progress line says.
    pub(crate) fn title(self, counts: &Counts) -> String {
        match self {
            Self::RawBroker => format!("RabbitMQ alone, {} messages", counts.messages),
            Self::RawPostgres => format!("Postgres alone, {} commits", counts.commits),
            Self::Memory => "idle memory".into(),
            Self::Chain => format!("a chain of {} steps", counts.chain_steps),
            Self::FanOut => format!("a fan-out of {} jobs", counts.fan_out_jobs),
            Self::Workflows => format!("{} workflows of {} steps", counts.workflows, counts.workflow_steps),
            Self::Progress => format!("{} reports of each of {} jobs", counts.reports, counts.running_jobs),
            Self::SubmitHttp => format!("{} submissions by HTTP", counts.submissions),
            Self::SubmitAmqp => format!("{} submissions by AMQP", counts.submissions),
        }
    }
}

/// How much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) profile: &'static str,
    pub(crate) runs: u32,
    /// Through one quorum queue.
    pub(crate) messages: u32,
    pub(crate) round_trips: u32,
    pub(crate) commits: u32,
    /// Updates of 500 rows each.
    pub(crate) row_batches: u32,
    pub(crate) chain_steps: u32,
    pub(crate) fan_out_jobs: u32,
    pub(crate) workflows: u32,
    pub(crate) workflow_steps: u32,
    pub(crate) running_jobs: u32,
    /// Of each running job.
    pub(crate) reports: u32,
    /// By each way.
    pub(crate) submissions: u32,
    /// How long nothing happens before idle memory is read.
    pub(crate) idle_seconds: f64,
}

const FULL: Counts = Counts {
    profile: "full",
    runs: 3,
    messages: 50_000,
    round_trips: 500,
    commits: 500,
    row_batches: 100,
    chain_steps: 200,
    fan_out_jobs: 10_000,
    workflows: 1_000,
    workflow_steps: 7,
    running_jobs: 2_000,
    reports: 10,
    submissions: 10_000,
    idle_seconds: 5.0,
};

impl Arguments {
    /// How much these arguments ask for.
    pub(crate) fn counts(&self) -> Counts {
        if self.tiny {
            return Counts {
                profile: "tiny",
                runs: 1,
                messages: 1_024,
                round_trips: 10,
                commits: 10,
                row_batches: 2,
                chain_steps: 5,
                fan_out_jobs: 50,
                workflows: 5,
                running_jobs: 20,
                reports: 3,
                submissions: 50,
                idle_seconds: 0.1,
                ..FULL
            };
        }
        if self.quick {
            return Counts {
                profile: "quick",
                runs: 1,
                messages: 20_000,
                fan_out_jobs: 5_000,
                workflows: 500,
                submissions: 5_000,
                idle_seconds: 2.0,
                ..FULL
            };
        }
        FULL
    }

    /// Whether a part is to be measured.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}
