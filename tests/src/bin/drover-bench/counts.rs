//! How much is measured.

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
    /// How long browsers watch.
    pub(crate) watch_seconds: u32,
    /// How long nothing happens before idle memory is read.
    pub(crate) idle_seconds: f64,
    /// Whether the statements of each part are listed.
    pub(crate) statements: bool,
}

/// What stands in the documentation.
pub(crate) fn full() -> Counts {
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
        watch_seconds: 30,
        idle_seconds: 20.0,
        statements: false,
    }
}

/// A minute or two, but for the parts that fill tables.
pub(crate) fn quick() -> Counts {
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
        watch_seconds: 10,
        idle_seconds: 2.0,
        ..full()
    }
}

/// Whether everything can be measured.
pub(crate) fn tiny() -> Counts {
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
        watch_seconds: 3,
        idle_seconds: 0.2,
        ..full()
    }
}
