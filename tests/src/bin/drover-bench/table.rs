//! The figures as tables for people, at most 100 columns wide.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::{
    figures::Figures,
    lines::{self, Line, thousands},
    meter::PROCESSES,
    statements::Statement,
};

/// Most statements that are listed of a measurement.
const STATEMENTS: usize = 25;
/// Longest text of a statement, in characters.
const STATEMENT_CHARS: usize = 45;

/// The whole text. `sizes`: jobs of the fan-outs.
pub(crate) fn text(figures: &Figures, facts: &Map<String, Value>, sizes: &[u32]) -> String {
    let mut text = head(facts);
    table(&mut text, ["servers alone", "value", "spread", "", "", "", ""], &lines::raw(), figures);
    let own = lines::own(figures, sizes);
    table(&mut text, ["Drover", "value", "spread", "limit", "", "ratio", "target"], &own, figures);
    costs(&mut text, figures, sizes);
    for (name, list) in figures.statements() {
        statements(&mut text, name, list);
    }
    text
}

/// What the figures depend on.
fn head(facts: &Map<String, Value>) -> String {
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
    text
}

fn table(text: &mut String, head: [&str; 7], lines: &[Line], figures: &Figures) {
    let lines: Vec<[String; 7]> = lines.iter().filter_map(|line| row(line, figures)).collect();
    if lines.is_empty() {
        return;
    }
    text.push('\n');
    for [title, value, spread, limit, name, ratio, target] in std::iter::once(head.map(str::to_owned)).chain(lines) {
        let line = format!("{title:<28} {value:>10} {spread:>5} {limit:>9} {name:<19} {ratio:>6} {target}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn row(line: &Line, figures: &Figures) -> Option<[String; 7]> {
    let value = figures.median(&line.figure)?;
    let (low, high) = figures.range(&line.figure)?;
    let spread =
        if low < high { format!("±{:.0}%", 100.0 * (high - value).max(value - low) / value) } else { String::new() };
    let limit = line.limit.as_ref().and_then(|limit| Some((limit.name, limit.value?)));
    let (shown, name, ratio) = match limit {
        Some((name, limit)) if limit > 0.0 => (line.unit.text(limit), name, format!("{:.2} x", value / limit)),
        Some((name, limit)) => (line.unit.text(limit), name, String::new()),
        None => (String::new(), "", String::new()),
    };
    let (title, value) = (line.title.clone(), line.unit.text(value));
    Some([title, value, spread, shown, name.to_owned(), ratio, line.target.to_owned()])
}

/// Microseconds of processor time of each process, commits and bytes of the write-ahead log, of one unit each.
fn costs(text: &mut String, figures: &Figures, sizes: &[u32]) {
    let mut lines = Vec::new();
    for (title, name) in lines::costs(sizes) {
        let processor = PROCESSES.map(|process| figures.median(&format!("{name}_{process}_cpu_ms")));
        let (Some(commits), Some(wal)) =
            (figures.median(&format!("{name}_commits")), figures.median(&format!("{name}_wal_bytes")))
        else {
            continue;
        };
        // A process that has ended, as the worker has when submissions are measured, spends nothing.
        let sum = processor.iter().copied().flatten().reduce(|sum, ms| sum + ms);
        let shown = std::iter::once(sum).chain(processor);
        let micros = shown.map(|ms| format!("{:>8}", ms.map_or_else(|| "-".into(), |ms| thousands(ms * 1e3))));
        lines.push(format!("{title:<24}{} {commits:>8.3} {:>9}", micros.collect::<String>(), thousands(wal)));
    }
    if !lines.is_empty() {
        let names = PROCESSES.map(|process| format!("{:>8}", process.get(..7).unwrap_or(process))).concat();
        let _ = writeln!(
            text,
            "\n{:<24}{:>8}{names} {:>8} {:>9}",
            "processor time, us each", "sum", "commits", "WAL bytes"
        );
        let _ = writeln!(text, "{}", lines.join("\n"));
    }
}

fn statements(text: &mut String, name: &str, list: &[Statement]) {
    let title = format!("{name}: statements");
    let head = ["calls", "mean ms", "plan ms", "total ms", "WAL bytes", "rows"];
    let [calls, mean, plan, total, wal, rows] = head;
    let _ = writeln!(text, "\n{title:<45} {calls:>8} {mean:>7} {plan:>7} {total:>9} {wal:>10} {rows:>8}");
    for one in list.iter().take(STATEMENTS) {
        let Statement { calls, rows, mean_ms, plan_ms, total_ms, wal_bytes, .. } = one;
        let statement: String = one.statement.chars().take(STATEMENT_CHARS).collect();
        let _ = writeln!(
            text,
            "{statement:<45} {calls:>8} {mean_ms:>7.2} {plan_ms:>7.2} {total_ms:>9.1} {wal_bytes:>10} {rows:>8}"
        );
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lines::Unit;

    #[test]
    fn a_table_compares_with_what_the_servers_can_do_and_fits_the_screen() {
        let (mut figures, sizes) = (Figures::default(), [10_000, 1_000_000]);
        for line in lines::raw().iter().chain(&lines::own(&figures, &sizes)) {
            let value = if matches!(line.unit, Unit::Ms | Unit::Percent) { 12.345 } else { 212_345.678 };
            for factor in [1.0, 1.0, 1.5] {
                figures.add(line.figure.clone(), value * factor);
            }
        }
        let facts = json!({ "counts": { "runs": 3, "messages": 50_000 }, "cores": 2, "processor": "x".repeat(40) });
        let text = text(&figures, facts.as_object().expect("an object"), &sizes);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        let chain = text.lines().find(|line| line.starts_with("chain, a step, p50")).expect("a line");
        assert!(chain.contains("0.50 x") && chain.contains("<= 1.5 x"), "{chain}");
    }

    #[test]
    fn what_was_not_measured_has_no_line_and_no_ratio() {
        let mut figures = Figures::default();
        figures.add("fanout_10000_jobs_per_second", 1_234.0);
        let facts = json!({ "counts": { "runs": 1 } });
        let text = text(&figures, facts.as_object().expect("an object"), &[10_000]);
        let line = text.lines().last().expect("a line");
        assert!(line.contains("1,234/s") && !text.contains("chain"), "{text}");
        assert!(!line.contains("0.0") && !line.contains("inf"), "{line}");
    }

    #[test]
    fn what_each_process_spends_and_what_is_asked_of_the_database_fit_into_the_width() {
        let mut figures = Figures::default();
        for process in PROCESSES {
            figures.add(format!("fanout_1000000_{process}_cpu_ms"), 0.25);
        }
        figures.add("fanout_1000000_commits", 0.02);
        figures.add("fanout_1000000_wal_bytes", 123_456.0);
        let statement = "x".repeat(200);
        let one = Statement {
            statement,
            calls: 9_999_999,
            rows: 9_999_999,
            mean_ms: 1.5,
            plan_ms: 0.5,
            total_ms: 1e6,
            wal_bytes: 1 << 32,
        };
        figures.set_statements("fanout_1000000", vec![one]);
        let facts = json!({ "counts": { "runs": 1 } });
        let text = text(&figures, facts.as_object().expect("an object"), &[1_000_000]);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        let line = text.lines().find(|line| line.starts_with("fan-out 1,000,000, a job")).expect("a line");
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[4..], ["1,250", "250", "250", "250", "250", "250", "0.020", "123,456"], "{line}");
    }
}
