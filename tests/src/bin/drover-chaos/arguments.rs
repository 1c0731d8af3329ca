//! The command line.

use std::time::Duration;

use clap::Parser;

/// Runs a fleet under faults and compares what its handlers really did with what the system says.
///
/// Real processes, RabbitMQ and Postgres; a seed decides what is submitted, cancelled and retried, and which process,
/// server or connection is struck when. Ends with what was counted; exit code 1 if anything was wrong. It needs servers of
/// its own, which `scripts/chaos` starts.
#[derive(Clone, Debug, Parser)]
#[command(name = "drover-chaos", version)]
pub(crate) struct Arguments {
    /// How long faults strike. Afterwards all is healed and must come to rest within two minutes.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    seconds: u64,
    /// What decides the run; without it one is drawn and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Print one JSON object and nothing else on stdout.
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave the database, the servers and all files as they are at the end.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Arguments {
    /// How long faults strike.
    pub(crate) const fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The seed that was given, or one of the clock.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| drover_tests::ledger::now_ns() / 1_000_000 % 1_000_000)
    }

    /// How to run the same again.
    pub(crate) fn again(&self, seed: u64) -> String {
        format!("scripts/chaos --seconds {} --seed {seed} --keep", self.seconds)
    }
}
