//! Crashes, repeats and overlaps: the files end the same.

use std::{fs, thread};

use drover_import_worker::{
    jobs::ProcessImport,
    layout::{RunFolders, RunId, TEMP_PREFIX},
    meter::Meter,
    process::{Stopped, process_batch},
    source::SourceFile,
};
use drover_worker::testing::{Moment, TestCase};
use proptest::prelude::*;

use crate::support::{RUN, Site, processed, tree};

fn entries(paths: &[String]) -> Vec<SourceFile> {
    let entry = |path: &String| SourceFile {
        path: path.clone(),
        format: None,
        compression: None,
        size_bytes: None,
        rows: None,
    };
    paths.iter().map(entry).collect()
}

fn folders(site: &Site) -> RunFolders {
    RunFolders::of(&site.path("out"), &RunId::try_from(RUN.to_owned()).unwrap())
}

fn mixed(site: &Site) -> Vec<String> {
    let rows = "a,b\n".to_owned() + &"1,x\n2\n".repeat(2_000);
    (0..6).map(|number| site.file(&format!("{number}.csv"), rows.as_bytes())).collect()
}

#[tokio::test]
async fn running_twice_gives_the_same_files() {
    let site = Site::new();
    let files = mixed(&site);
    let first = processed(&site.process(&files).await);
    let before = tree(&site.path("out"));
    let second = processed(&site.process(&files).await);
    assert_eq!((&first, before.len()), (&second, 12));
    assert_eq!(before, tree(&site.path("out")));
}

#[tokio::test]
async fn what_a_crash_left_does_no_harm_and_old_rejects_go() {
    let site = Site::new();
    let files = mixed(&site);
    let expected = {
        site.process(&files).await;
        tree(&site.path("out"))
    };
    let rows = site.path("out").join(RUN).join("rows");
    fs::write(rows.join(format!("{TEMP_PREFIX}abc")), b"{\"half").unwrap();
    let (name, _) = expected.iter().find(|(name, _)| name.contains("rows/")).unwrap();
    fs::remove_file(site.path("out").join(name)).unwrap();
    site.process(&files).await;
    let mut after = tree(&site.path("out"));
    assert!(
        after.remove(&format!("{RUN}/rows/{TEMP_PREFIX}abc")).is_some(),
        "left for cleanup_temp, never taken for rows"
    );
    assert_eq!(after, expected);

    fs::write(&files[0], "a,b\n1,x\n").unwrap();
    site.process(&files).await;
    assert_eq!(tree(&site.path("out")).keys().filter(|name| name.contains("rejects/")).count(), 5);
}

#[tokio::test]
async fn a_cancel_leaves_only_whole_files_and_a_repeat_completes_them() {
    let site = Site::new();
    let rows = "a,b\n".to_owned() + &"1,x\n".repeat(400_000);
    let files: Vec<String> = (0..30).map(|number| site.file(&format!("{number}.csv"), rows.as_bytes())).collect();
    let case = TestCase::new(ProcessImport::default())
        .cancel_when(|moment| matches!(moment, Moment::Progress(report) if report.percent.is_some_and(|p| p > 0.0)));
    let run = case.run(site.process_params(&files)).await;
    assert!(run.is_cancelled(), "{:?}", run.outcome);
    let partial = processed(&run);
    let written = tree(&site.path("out"));
    assert!(partial.files < 30);
    assert_eq!(written.len() as u64, partial.files, "whole files and no temporary ones");
    assert_eq!(
        written.values().map(|content| content.iter().filter(|b| **b == b'\n').count() as u64).sum::<u64>(),
        partial.rows
    );

    assert_eq!(processed(&site.process(&files).await).rows, 30 * 400_000);
}

#[test]
fn cancelled_before_the_end_of_a_file_it_stops_there() {
    let site = Site::new();
    let file = site.file("a.ndjson", "{\"a\":1}\n".repeat(4_000_000).as_bytes());
    let meter = Meter::default();
    let folders = folders(&site);
    thread::scope(|scope| {
        let work = scope.spawn(|| process_batch(&entries(&[file]), &folders, None, &meter));
        while meter.read().bytes == 0 {
            thread::yield_now();
        }
        meter.cancel();
        let (result, stopped) = work.join().unwrap();
        assert!(matches!(stopped, Some(Stopped::Cancelled)));
        assert_eq!((result.files, result.rows), (0, 0));
    });
    assert!(tree(&site.path("out")).is_empty());
}

#[test]
fn overlapping_runs_of_a_batch_end_in_the_same_files() {
    let site = Site::new();
    let files = entries(&mixed(&site));
    let folders = folders(&site);
    let (alone, _) = process_batch(&files, &folders, None, &Meter::default());
    let expected = tree(&site.path("out"));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (result, stopped) = process_batch(&files, &folders, None, &Meter::default());
                assert!(stopped.is_none());
                assert_eq!(result, alone);
            });
        }
    });
    assert_eq!(tree(&site.path("out")), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a CSV writer quotes, the rows give back; whatever the values are.
    #[test]
    fn csv_rows_come_back_as_they_were_written(
        rows in prop::collection::vec(prop::collection::vec("[a-z,\"\n\r\té ]{1,12}", 3), 0..20),
        crlf: bool,
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut text = ["a", "b", "c"].join(",") + end;
        for row in &rows {
            let fields: Vec<String> = row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            text += &(fields.join(",") + end);
        }
        let site = Site::new();
        let file = site.file("a.csv", text.as_bytes());
        let (result, stopped) = process_batch(&entries(&[file]), &folders(&site), None, &Meter::default());
        prop_assert!(stopped.is_none());
        prop_assert_eq!((result.rows, result.rejected), (rows.len() as u64, 0));
        let got: Vec<Vec<String>> = site.rows().iter()
            .map(|row| ["a", "b", "c"].map(|name| row[name].as_str().unwrap_or("null").to_owned()).to_vec())
            .collect();
        prop_assert_eq!(got, rows);
    }

    /// Arbitrary bytes under any name: an answer, never a panic; and no output that is no JSON.
    #[test]
    fn any_bytes_are_survived(
        content in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\n\r\t\\1a\0".to_vec())], 0..400),
        name in prop::sample::select(vec!["a.csv", "a.tsv", "a.json", "a.ndjson", "a.csv.gz", "b.json.gz"]),
        packed: bool,
    ) {
        let site = Site::new();
        let file = if packed { site.file(name, &content) } else { site.raw_file(name, &content) };
        let (result, stopped) = process_batch(&entries(&[file]), &folders(&site), None, &Meter::default());
        prop_assert!(stopped.is_none());
        prop_assert_eq!(result.rows, site.rows().len() as u64);
        prop_assert_eq!(result.rejected, site.rejects().len() as u64);
        prop_assert_eq!(result.files + result.failed_files, 1);
    }
}
