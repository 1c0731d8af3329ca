//! What stands in the tables: each figure with what it is measured by, and its target.

use crate::{cancel, figures::Figures, full_tables, scale, soak};

/// A line of a table.
pub(crate) struct Line {
    pub(crate) title: String,
    pub(crate) figure: String,
    pub(crate) unit: Unit,
    pub(crate) limit: Option<Limit>,
    pub(crate) target: &'static str,
}

#[derive(Clone, Copy)]
pub(crate) enum Unit {
    PerSecond,
    Ms,
    Ns,
    MiB,
    Percent,
    Count,
}

/// What a figure is measured by, in the same unit; `None`: that was not measured.
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) value: Option<f64>,
}

fn plain(title: impl Into<String>, figure: impl Into<String>, unit: Unit) -> Line {
    Line { title: title.into(), figure: figure.into(), unit, limit: None, target: "" }
}

impl Line {
    fn against(self, name: &'static str, value: Option<f64>) -> Self {
        Self { limit: Some(Limit { name, value }), ..self }
    }

    fn target(self, target: &'static str) -> Self {
        Self { target, ..self }
    }
}

/// What the servers do alone.
pub(crate) fn raw() -> Vec<Line> {
    vec![
        plain("publish to consume", "raw_publish_consume_per_second", Unit::PerSecond),
        plain("round trip, p50", "quorum_round_trip_ms_p50", Unit::Ms),
        plain("round trip, p99", "quorum_round_trip_ms_p99", Unit::Ms),
        plain("commit, p50", "postgres_commit_ms_p50", Unit::Ms),
        plain("commit, p99", "postgres_commit_ms_p99", Unit::Ms),
        plain("rows updated, 500 at a time", "postgres_batch_update_rows_per_second", Unit::PerSecond),
    ]
}

/// What Drover does.
pub(crate) fn own(figures: &Figures, sizes: &[u32]) -> Vec<Line> {
    let flow = figures.median("raw_publish_consume_per_second");
    let rows = figures.median("postgres_batch_update_rows_per_second");
    let commit = figures.median("postgres_commit_ms_p50");
    // A step cannot take less than its job's way there and back and one commit.
    let step = figures.median("quorum_round_trip_ms_p50").zip(commit).map(|(trip, commit)| trip + commit);
    // What one connection that commits one row after the other reaches.
    let commits = commit.map(|ms| 1e3 / ms);
    let mut lines = vec![
        plain("chain, a step, p50", "chain_step_ms_p50", Unit::Ms)
            .against("round trip + commit", step)
            .target("<= 1.5 x, 5 ms"),
        plain("chain, a step, p99", "chain_step_ms_p99", Unit::Ms)
            .against("chain, p50", figures.median("chain_step_ms_p50"))
            .target("<= 4 x"),
    ];
    lines.extend(fan_outs(figures, sizes, flow));
    lines.extend([
        plain("workflows of 7 steps, steps", "workflow_steps_per_second", Unit::PerSecond)
            .against("publish to consume", flow)
            .target(">= 4,000/s"),
        plain("progress reports folded", "progress_folded_per_second", Unit::PerSecond)
            .against("rows updated", rows)
            .target(">= 30,000/s"),
        plain("submissions by HTTP", "submit_http_per_second", Unit::PerSecond)
            .against("a commit each", commits)
            .target(">= 2,000/s"),
        plain("at half of that, p99", "submit_http_half_rate_ms_p99", Unit::Ms).target("< 50 ms"),
        plain("submissions by AMQP", "submit_amqp_per_second", Unit::PerSecond)
            .against("publish to consume", flow)
            .target(">= 3,000/s"),
        plain("at half of that, p99", "submit_amqp_half_rate_ms_p99", Unit::Ms).target("< 50 ms"),
        plain("at 1,500/s, p99", "submit_amqp_half_of_wanted_ms_p99", Unit::Ms).target("< 50 ms"),
        plain("a report of a million", "report_call_ns", Unit::Ns).target("< 1,000 ns"),
        plain("age of what is shown, max", "report_age_ms_max", Unit::Ms).target("< 250 ms"),
    ]);
    lines.extend(cancels(sizes));
    lines.extend(fleets(figures));
    lines.extend(tables(figures));
    lines.extend(watched(figures));
    lines.push(plain("heartbeats of many workers", "crowd_orchestrator_cpu_percent", Unit::Percent).target("< 10 %"));
    lines.push(plain("drover dev, commits a step", "dev_chain_commits", Unit::Count).target("<= 2"));
    lines.push(plain("drover dev, a step, p50", "dev_chain_step_ms_p50", Unit::Ms));
    lines.extend(weight());
    lines.extend(soaked(figures));
    lines
}

/// The first size is measured by what the broker can do, the others by the first.
fn fan_outs(figures: &Figures, sizes: &[u32], flow: Option<f64>) -> Vec<Line> {
    let figure = |size: u32| format!("fanout_{size}_jobs_per_second");
    let peak = |size: u32| format!("fanout_{size}_orchestrator_peak_rss_bytes");
    let Some((&first, others)) = sizes.split_first() else { return Vec::new() };
    let line = |size: u32| plain(format!("fan-out of {}", thousands(size.into())), figure(size), Unit::PerSecond);
    let memory = |size: u32| plain(format!("fan-out {}, peak", thousands(size.into())), peak(size), Unit::MiB);
    let mut lines = vec![line(first).against("publish to consume", flow).target(">= 0.4 x, 5,000/s"), memory(first)];
    for &size in others {
        let (rate, held) = (figures.median(&figure(first)), figures.median(&peak(first)));
        lines.push(line(size).against("the first size", rate).target(">= 0.9 x"));
        lines.push(memory(size).against("the first size", held).target("1 x"));
    }
    lines
}

fn cancels(sizes: &[u32]) -> Vec<Line> {
    let line = |size: u32, window: &str| {
        let title = format!("cancel {}, {window}, max", thousands(size.into()));
        plain(title, cancel::figure(size, window, "ms_max"), Unit::Ms).target("< 1,000 ms")
    };
    sizes.iter().flat_map(|size| cancel::WINDOWS.map(|(window, ..)| line(*size, window))).collect()
}

/// What people look at.
fn watched(figures: &Figures) -> Vec<Line> {
    let [_, full] = full_tables::STATES;
    let mut lines = vec![
        plain("watched by ten, updates", "watch_updates_per_second", Unit::PerSecond).target(">= 1,000/s"),
        plain("watched by ten, a page, p99", "watch_page_ms_p99", Unit::Ms).target("< 100 ms"),
        plain("watched by ten, orchestrator", "watch_orchestrator_rss_bytes_end", Unit::MiB)
            .against("at the start", figures.median("watch_orchestrator_rss_bytes_start"))
            .target("1 x"),
        plain("watched by ten, orchestrator", "watch_orchestrator_cpu_percent", Unit::Percent),
    ];
    let pages = [("overview", "overview"), ("list", "list"), ("workflow", "workflow"), ("list, API", "api_list")];
    lines.extend(pages.map(|(title, page)| {
        plain(format!("full tables, {title}, p99"), format!("{full}_{page}_ms_p99"), Unit::Ms).target("< 100 ms")
    }));
    lines
}

/// A larger fleet against one of each.
fn fleets(figures: &Figures) -> Vec<Line> {
    let [(.., first), (.., second)] = scale::FLEETS;
    [("fan-out", "fanout_jobs_per_second"), ("workflows", "workflow_steps_per_second")]
        .map(|(title, figure)| {
            plain(format!("{title}, 2 and 4"), format!("{second}_{figure}"), Unit::PerSecond)
                .against("1 and 1", figures.median(&format!("{first}_{figure}")))
                .target(">= 1 x")
        })
        .into()
}

/// Full tables against empty ones.
fn tables(figures: &Figures) -> Vec<Line> {
    let [empty, full] = full_tables::STATES;
    [("fan-out", "fanout_jobs_per_second"), ("workflows", "workflow_steps_per_second")]
        .map(|(title, figure)| {
            plain(format!("{title}, full tables"), format!("{full}_{figure}"), Unit::PerSecond)
                .against("empty tables", figures.median(&format!("{empty}_{figure}")))
                .target(">= 0.9 x")
        })
        .into()
}

fn weight() -> Vec<Line> {
    vec![
        plain("orchestrator, idle", "orchestrator_idle_rss_bytes", Unit::MiB).target("< 25 MB"),
        plain("orchestrator, idle", "orchestrator_idle_cpu_percent", Unit::Percent).target("< 0.5 %"),
        plain("worker, idle", "worker_idle_rss_bytes", Unit::MiB).target("< 12 MB"),
        plain("worker, idle", "worker_idle_cpu_percent", Unit::Percent),
        plain("orchestrator, after load", "orchestrator_after_load_rss_bytes", Unit::MiB),
        plain("worker, after load", "worker_after_load_rss_bytes", Unit::MiB),
        plain("orchestrator, start to ready", "orchestrator_ready_ms", Unit::Ms).target("< 300 ms"),
        plain("worker, start to ready", "worker_ready_ms", Unit::Ms).target("< 300 ms"),
        plain("drover-orchestrator, program", "drover_orchestrator_binary_bytes", Unit::MiB).target("< 30 MB"),
        plain("import worker, program", "drover_import_worker_binary_bytes", Unit::MiB).target("< 30 MB"),
        plain("drover, program", "drover_binary_bytes", Unit::MiB).target("< 30 MB"),
    ]
}

/// The end of a soak against its start.
fn soaked(figures: &Figures) -> Vec<Line> {
    let [start, end] = soak::LOOKS;
    let grown = |title: String, figure: String, unit| {
        plain(title, format!("soak_{figure}_{end}"), unit)
            .against("at the start", figures.median(&format!("soak_{figure}_{start}")))
    };
    let mut lines = vec![
        plain("soak, steps", "soak_steps_per_second", Unit::PerSecond),
        grown("soak, a step, p50".into(), "step_ms_p50".into(), Unit::Ms),
        grown("soak, a step, p99".into(), "step_ms_p99".into(), Unit::Ms),
        grown("soak, orchestrator".into(), "orchestrator_rss_bytes".into(), Unit::MiB).target("1 x"),
        grown("soak, worker".into(), "worker_rss_bytes".into(), Unit::MiB).target("1 x"),
    ];
    for table in soak::TABLES {
        lines.push(grown(format!("soak, {table}"), format!("{table}_bytes"), Unit::MiB));
        lines.push(grown(format!("soak, {table}, indexes"), format!("{table}_index_bytes"), Unit::MiB));
        lines.push(grown(format!("soak, {table}, dead rows"), format!("{table}_dead_rows"), Unit::Count));
    }
    lines
}

/// Costs are told for these measurements: title, beginning of the figures' names.
pub(crate) fn costs(sizes: &[u32]) -> Vec<(String, String)> {
    let one = |title: &str, name: &str| (title.to_owned(), name.to_owned());
    let mut lines = vec![one("chain, a step", "chain")];
    lines.extend(
        sizes.iter().map(|size| (format!("fan-out {}, a job", thousands((*size).into())), format!("fanout_{size}"))),
    );
    lines.extend([
        one("workflows, a step", "workflow"),
        one("progress, a report", "progress"),
        one("submission by HTTP", "submit_http"),
        one("submission by AMQP", "submit_amqp"),
    ]);
    let others = scale::FLEETS.into_iter().map(|(.., name)| name).chain(full_tables::STATES);
    for name in others {
        let title = name.replace('_', " ");
        lines.push((format!("{title}, fan-out"), format!("{name}_fanout")));
        lines.push((format!("{title}, step"), format!("{name}_workflow")));
    }
    lines.push(one("a heartbeat", "crowd"));
    lines.push(one("soak, a step", "soak"));
    lines
}

impl Unit {
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", thousands(value)),
            Self::Ms => format!("{value:.2} ms"),
            Self::Ns => format!("{value:.0} ns"),
            Self::MiB => format!("{:.1} MiB", value / 1024.0 / 1024.0),
            Self::Percent => format!("{value:.2} %"),
            Self::Count if value < 100.0 => format!("{value:.2}"),
            Self::Count => thousands(value),
        }
    }
}

/// Rounded, with a comma after each thousand.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
