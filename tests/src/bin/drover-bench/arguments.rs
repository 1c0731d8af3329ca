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
            Self::FullTables => format!("{} finished and {} waiting jobs", counts.finished_jobs, counts.waiting_jobs),
            Self::Heartbeats => format!("heartbeats of {} workers", counts.crowd),
            Self::Dev => "a chain in drover dev".into(),
            Self::Soak => "half of the top rate for long".into(),
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
    /// Jobs of each fan-out.
    pub(crate) fan_outs: Vec<u32>,
    /// Of each size and window.
    pub(crate) cancels: u32,
    pub(crate) workflows: u32,
    pub(crate) workflow_steps: u32,
    pub(crate) running_jobs: u32,
    /// Of each running job.
    pub(crate) reports: u32,
    /// By each way.
    pub(crate) submissions: u32,
    /// In a loop by one job.
    pub(crate) loop_reports: u32,
    /// A millisecond apart, by the same job.
    pub(crate) stamps: u32,
    /// Jobs of the fan-out that fleets and tables are compared by.
    pub(crate) scale_fan_out: u32,
    /// At least so many are in the full tables.
    pub(crate) finished_jobs: u32,
    pub(crate) waiting_jobs: u32,
    /// Workers that are nothing but heartbeats.
    pub(crate) crowd: u32,
    pub(crate) crowd_seconds: u32,
    /// How long nothing happens before idle memory is read.
    pub(crate) idle_seconds: f64,
    /// Whether the statements of each part are listed.
    pub(crate) statements: bool,
}

fn full() -> Counts {
    Counts {
        profile: "full",
        runs: 3,
        messages: 50_000,
        round_trips: 500,
        commits: 500,
        row_batches: 100,
        chain_steps: 200,
        fan_outs: vec![10_000],
        cancels: 5,
        workflows: 1_000,
        workflow_steps: 7,
        running_jobs: 2_000,
        reports: 10,
        submissions: 10_000,
        loop_reports: 1_000_000,
        stamps: 3_000,
        scale_fan_out: 10_000,
        finished_jobs: 1_000_000,
        waiting_jobs: 100_000,
        crowd: 10_000,
        crowd_seconds: 15,
        idle_seconds: 20.0,
        statements: false,
    }
}

fn quick() -> Counts {
    Counts {
        profile: "quick",
        runs: 1,
        messages: 20_000,
        fan_outs: vec![5_000],
        cancels: 2,
        workflows: 500,
        submissions: 5_000,
        scale_fan_out: 5_000,
        finished_jobs: 50_000,
        waiting_jobs: 5_000,
        crowd: 2_000,
        crowd_seconds: 5,
        idle_seconds: 2.0,
        ..full()
    }
}

fn tiny() -> Counts {
    Counts {
        profile: "tiny",
        runs: 1,
        messages: 1_024,
        round_trips: 10,
        commits: 10,
        row_batches: 2,
        chain_steps: 5,
        fan_outs: vec![50],
        cancels: 1,
        workflows: 5,
        running_jobs: 20,
        reports: 3,
        submissions: 50,
        loop_reports: 1_000,
        stamps: 300,
        scale_fan_out: 50,
        finished_jobs: 500,
        waiting_jobs: 20,
        crowd: 20,
        crowd_seconds: 4,
        idle_seconds: 0.2,
        ..full()
    }
}

impl Arguments {
    /// How much these arguments ask for.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = match (self.tiny, self.quick) {
            (true, _) => tiny(),
            (false, true) => quick(),
            (false, false) => full(),
        };
        if !self.fan_out.is_empty() {
            counts.fan_outs.clone_from(&self.fan_out);
        }
        if let Some(runs) = self.runs {
            counts.runs = runs;
        }
        counts.statements = self.statements;
        counts
    }

    /// Whether a part is to be measured.
    pub(crate) fn wants(&self, part: Part) -> bool {
        let is_possible = part != Part::Soak || self.soak.is_some();
        is_possible && (self.only.is_empty() || self.only.contains(&part))
    }
}
