//! The figures as a table for people, at most 100 columns wide.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::figures::Figures;

/// A line of the table.
struct Line {
    title: &'static str,
    figure: &'static str,
    unit: Unit,
    against: Option<Against>,
    target: &'static str,
}

#[derive(Clone, Copy)]
enum Unit {
    PerSecond,
    Ms,
    MiB,
}

/// What a figure is measured by, in the same unit.
#[derive(Clone, Copy)]
struct Against {
    name: &'static str,
    limit: fn(&Figures) -> Option<f64>,
}

const fn plain(title: &'static str, figure: &'static str, unit: Unit) -> Line {
    Line { title, figure, unit, against: None, target: "" }
}

const RAW: &[Line] = &[
    plain("publish to consume", "raw_publish_consume_per_second", Unit::PerSecond),
    plain("round trip, p50", "quorum_round_trip_ms_p50", Unit::Ms),
    plain("round trip, p99", "quorum_round_trip_ms_p99", Unit::Ms),
    plain("commit, p50", "postgres_commit_ms_p50", Unit::Ms),
    plain("commit, p99", "postgres_commit_ms_p99", Unit::Ms),
    plain("rows updated, 500 at a time", "postgres_batch_update_rows_per_second", Unit::PerSecond),
];

const STEP_AT_BEST: Against = Against { name: "round trip + commit", limit: step_at_best };
const FLOW: Against =
    Against { name: "publish to consume", limit: |figures| figures.median("raw_publish_consume_per_second") };
const CHAIN: Against = Against { name: "chain, p50", limit: |figures| figures.median("chain_step_ms_p50") };
const ROWS: Against =
    Against { name: "rows updated", limit: |figures| figures.median("postgres_batch_update_rows_per_second") };
const COMMITS: Against = Against { name: "a commit each", limit: one_commit_each };

const fn own(title: &'static str, figure: &'static str, unit: Unit, against: Against, target: &'static str) -> Line {
    Line { title, figure, unit, against: Some(against), target }
}

const OWN: &[Line] = &[
    own("chain, a step, p50", "chain_step_ms_p50", Unit::Ms, STEP_AT_BEST, "<= 1.5 x, 5 ms"),
    own("chain, a step, p99", "chain_step_ms_p99", Unit::Ms, CHAIN, "<= 4 x"),
    own("fan-out, sub-jobs joined", "fanout_jobs_per_second", Unit::PerSecond, FLOW, ">= 0.4 x, 5,000/s"),
    own("workflows of 7 steps, steps", "workflow_steps_per_second", Unit::PerSecond, FLOW, ">= 4,000/s"),
    own("progress reports folded", "progress_folded_per_second", Unit::PerSecond, ROWS, ">= 30,000/s"),
    own("submissions by HTTP", "submit_http_per_second", Unit::PerSecond, COMMITS, ">= 2,000/s"),
    own("submissions by AMQP", "submit_amqp_per_second", Unit::PerSecond, FLOW, ">= 3,000/s"),
    plain("orchestrator, idle", "orchestrator_idle_rss_bytes", Unit::MiB),
    plain("worker, idle", "worker_idle_rss_bytes", Unit::MiB),
    plain("orchestrator, after load", "orchestrator_after_load_rss_bytes", Unit::MiB),
    plain("worker, after load", "worker_after_load_rss_bytes", Unit::MiB),
];

/// A step cannot take less than its job's way there and back and one commit.
fn step_at_best(figures: &Figures) -> Option<f64> {
    Some(figures.median("quorum_round_trip_ms_p50")? + figures.median("postgres_commit_ms_p50")?)
}

/// What one connection that commits one row after the other reaches.
fn one_commit_each(figures: &Figures) -> Option<f64> {
    Some(1e3 / figures.median("postgres_commit_ms_p50")?)
}

/// The whole text.
pub(crate) fn text(figures: &Figures, facts: &Map<String, Value>) -> String {
    let fact = |name: &str| facts.get(name).map_or_else(|| "unknown".to_owned(), shown);
    let mut text = format!(
        "{} cores, {}, load before {}\nRabbitMQ {}, Postgres {}, fsync {}\n{} build, profile {}, medians of {} runs\n",
        fact("cores"),
        fact("processor"),
        fact("load_average_before"),
        fact("rabbitmq_version"),
        fact("postgres_version"),
        fact("postgres_fsync"),
        fact("build"),
        fact("profile"),
        facts["counts"]["runs"],
    );
    if let Some(counts) = facts["counts"].as_object() {
        let counts = counts.iter().filter(|(name, _)| *name != "runs");
        let counts: Vec<String> = counts.map(|(name, count)| format!("{name} {count}")).collect();
        for line in counts.chunks(4) {
            let _ = writeln!(text, "{}", line.join(", "));
        }
    }
    table(&mut text, ["servers alone", "value", "spread", "", "", "", ""], RAW, figures);
    table(&mut text, ["Drover", "value", "spread", "limit", "", "ratio", "target"], OWN, figures);
    text
}

fn table(text: &mut String, head: [&str; 7], lines: &[Line], figures: &Figures) {
    let lines: Vec<[String; 7]> = lines.iter().filter_map(|line| row(line, figures)).collect();
    if lines.is_empty() {
        return;
    }
    text.push('\n');
    for [title, value, spread, limit, name, ratio, target] in std::iter::once(head.map(str::to_owned)).chain(lines) {
        let line = format!("{title:<27} {value:>10} {spread:>5} {limit:>9} {name:<19} {ratio:>6} {target}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn row(line: &Line, figures: &Figures) -> Option<[String; 7]> {
    let value = figures.median(line.figure)?;
    let (low, high) = figures.range(line.figure)?;
    let spread =
        if low < high { format!("±{:.0}%", 100.0 * (high - value).max(value - low) / value) } else { String::new() };
    let limit = line.against.and_then(|against| Some((against.name, (against.limit)(figures)?)));
    let (shown, name, ratio) = match limit {
        Some((name, limit)) => (line.unit.text(limit), name, format!("{:.2} x", value / limit)),
        None => (String::new(), "", String::new()),
    };
    let (title, value) = (line.title.to_owned(), line.unit.text(value));
    Some([title, value, spread, shown, name.to_owned(), ratio, line.target.to_owned()])
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", thousands(value)),
            Self::Ms => format!("{value:.2} ms"),
            Self::MiB => format!("{:.1} MiB", value / 1024.0 / 1024.0),
        }
    }
}

fn thousands(value: f64) -> String {
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

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_compares_with_what_the_servers_can_do_and_fits_the_screen() {
        let mut figures = Figures::default();
        for line in RAW.iter().chain(OWN) {
            let value = if matches!(line.unit, Unit::Ms) { 12.345 } else { 212_345.678 };
            for factor in [1.0, 1.0, 1.5] {
                figures.add(line.figure, value * factor);
            }
        }
        let facts = json!({ "counts": { "runs": 3, "messages": 50_000 }, "cores": 2, "processor": "x".repeat(40) });
        let text = text(&figures, facts.as_object().expect("an object"));
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        let chain = text.lines().find(|line| line.starts_with("chain, a step, p50")).expect("a line");
        assert!(chain.contains("0.50 x") && chain.contains("<= 1.5 x"), "{chain}");
    }

    #[test]
    fn what_was_not_measured_has_no_line_and_no_ratio() {
        let mut figures = Figures::default();
        figures.add("fanout_jobs_per_second", 1_234.0);
        let text = text(&figures, json!({ "counts": { "runs": 1 } }).as_object().expect("an object"));
        let line = text.lines().last().expect("a line");
        assert!(line.contains("1,234/s") && !text.contains("chain"), "{text}");
        assert!(!line.contains("0.0") && !line.contains("inf"), "{line}");
    }
}
