use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines_of(config: &LogConfig, work: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = subscriber(config, Vec::new(), move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

fn in_a_job(parent: Option<&str>) {
    job_span(&"import", &"j1", parent.as_ref()).in_scope(|| {
        tracing::info!(rows = 3, "read");
        tracing::info_span!("file", name = "a.csv").in_scope(|| tracing::warn!(target: "some::library", "odd row"));
    });
    tracing::info!("outside");
}

#[test]
fn a_text_line_inside_a_job_starts_with_the_job() {
    let lines = lines_of(&LogConfig::default(), || in_a_job(Some("p1")));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("[job_type=import, job_id=j1, parent_job_id=p1] "), "{}", lines[0]);
    assert!(lines[0].ends_with(" INFO drover_service::telemetry::tests: read rows=3"), "{}", lines[0]);
    assert!(lines[1].starts_with("[job_type=import, job_id=j1, parent_job_id=p1] "), "{}", lines[1]);
    assert!(lines[1].ends_with(" WARN file{name=\"a.csv\"}: some::library: odd row"), "{}", lines[1]);
    assert!(!lines[2].contains('['), "{}", lines[2]);
}

#[test]
fn a_job_of_no_workflow_says_so() {
    let lines = lines_of(&LogConfig::default(), || in_a_job(None));
    assert!(lines[0].starts_with("[job_type=import, job_id=j1, parent_job_id=-] "), "{}", lines[0]);
}

#[test]
fn json_lines_carry_the_job_as_top_level_fields() {
    let config = LogConfig { format: LogFormat::Json, ..LogConfig::default() };
    let lines = lines_of(&config, || in_a_job(Some("p1")));
    let lines: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines[..2] {
        assert_eq!(
            (&line["job_type"], &line["job_id"], &line["parent_job_id"]),
            (&"import".into(), &"j1".into(), &"p1".into())
        );
    }
    assert_eq!(lines[0]["message"], "read");
    assert_eq!(lines[0]["fields"]["rows"], 3);
    assert_eq!(lines[1]["spans"][0], "file{name=\"a.csv\"}");
    assert_eq!(lines[2].get("job_id"), None);
}

#[test]
fn labels_survive_a_filter_that_names_other_targets_only() {
    for filter in ["some::library=warn", "warn", "off,some::library=trace"] {
        let config = LogConfig { filter: filter.into(), ..LogConfig::default() };
        let lines = lines_of(&config, || in_a_job(Some("p1")));
        assert_eq!(lines.len(), 1, "{filter}: {lines:?}");
        assert!(lines[0].starts_with("[job_type=import, job_id=j1, parent_job_id=p1] "), "{filter}: {}", lines[0]);
    }
}

#[test]
fn a_filter_that_is_not_understood_is_refused_with_its_key() {
    let config = LogConfig { filter: "info,lapin=loud".into(), ..LogConfig::default() };
    let invalid = config.validate().unwrap_err();
    assert_eq!(invalid.key, "log.filter");
    assert!(invalid.problem.contains("info,lapin=warn"), "{}", invalid.problem);
}
