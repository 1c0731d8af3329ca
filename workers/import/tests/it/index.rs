//! `index_data` as a job, and searching what it built.

use std::{fs, path::Path};

use drover_import_worker::{
    index::{SearchError, search},
    jobs::IndexData,
};
use drover_worker::testing::{self, Moment, TestCase};
use serde_json::json;

use crate::support::{RUN, Site, indexed, tree};

async fn site() -> Site {
    let site = Site::new();
    let a = site.file("a.csv", b"id,name,note\n1,Ada Lovelace,first\n2,Grace Hopper,\"second\nline\"\n");
    let b = site.file("b.ndjson", b"{\"deep\":{\"tags\":[\"Analytical\",\"engine\"]},\"n\":5}\n");
    site.process(&[a, b]).await;
    site
}

#[tokio::test]
async fn rows_are_found_by_words_phrases_file_and_line() {
    let site = site().await;
    let run = site.index().await;
    let result = indexed(&run);
    assert_eq!((result.indexed_rows, result.index_path.as_str()), (3, site.text("index/run-1").as_str()));
    assert!(result.segments >= 1 && result.index_bytes > 0);

    let index = site.path("index");
    for (query, lines) in [
        ("hopper", vec![3]),
        ("GRACE line", vec![3]),
        ("\"Ada Lovelace\"", vec![2]),
        ("\"Lovelace Ada\"", vec![]),
        ("ada OR hopper", vec![2, 3]),
        ("analytical", vec![1]),
        ("line:2", vec![2]),
        ("nothing", vec![]),
    ] {
        let found = search(&index, query, 10).unwrap();
        let mut got: Vec<u64> = found.hits.iter().map(|hit| hit.line).collect();
        got.sort_unstable();
        assert_eq!((got, found.total), (lines.clone(), lines.len() as u64), "{query}");
    }
    let by_file = search(&index, &format!("file:\"{}\"", site.text("in/b.ndjson")), 10).unwrap();
    assert_eq!(by_file.total, 1);
    let hit = &search(&index.join(RUN), "grace", 1).unwrap().hits[0];
    assert_eq!((hit.file.as_str(), hit.snippet.as_str()), (site.text("in/a.csv").as_str(), "Grace Hopper second line"));
    assert!(hit.row.get().starts_with("{\"id\":2,"), "{}", hit.row);
}

#[tokio::test]
async fn indexing_again_replaces_the_index_and_leaves_nothing_else() {
    let site = site().await;
    site.index().await;
    let again = site.file("c.csv", b"name\nNoether\n");
    site.process(&[again]).await;
    assert_eq!(indexed(&site.index().await).indexed_rows, 4);
    assert_eq!(search(&site.path("index"), "noether", 5).unwrap().total, 1);
    let mut names: Vec<_> = fs::read_dir(site.path("index")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["current", RUN]);
    assert_eq!(fs::read_link(site.path("index/current")).unwrap(), Path::new(RUN));
}

#[tokio::test]
async fn overlapping_runs_end_in_a_whole_index() {
    let site = site().await;
    let runs = (0..4).map(|_| testing::run(IndexData::default(), site.index_params()));
    for run in futures_util::future::join_all(runs).await {
        assert_eq!(indexed(&run).indexed_rows, 3);
    }
    assert_eq!(search(&site.path("index"), "hopper", 5).unwrap().total, 1);
    assert!(
        tree(&site.path("index")).keys().all(|name| name.starts_with(RUN)),
        "{:?}",
        tree(&site.path("index")).keys()
    );
}

#[tokio::test]
async fn no_rows_and_damaged_rows_are_permanent_failures_and_keep_the_old_index() {
    let site = site().await;
    site.index().await;
    let rows = site.path("out").join(RUN).join("rows");
    fs::write(rows.join("zzz.ndjson"), b"{\"a\":1}\n").unwrap();
    let error = site.index().await.error().unwrap().clone();
    assert!(error.kind == "damaged_rows" && !error.retryable && error.message.contains("zzz.ndjson"), "{error}");
    assert_eq!(search(&site.path("index"), "hopper", 5).unwrap().total, 1);

    fs::remove_dir_all(&rows).unwrap();
    let error = site.index().await.error().unwrap().clone();
    assert!(error.kind == "no_rows" && !error.retryable && error.message.contains(rows.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn a_cancel_leaves_no_half_index() {
    let site = Site::new();
    let rows = "a,b\n".to_owned() + &"some words to be indexed,and some more of them\n".repeat(300_000);
    let file = site.file("a.csv", rows.as_bytes());
    site.process(&[file]).await;
    let case = TestCase::new(IndexData::default())
        .cancel_when(|moment| matches!(moment, Moment::Progress(report) if report.processed > Some(0)));
    let run = case.run(site.index_params()).await;
    assert!(run.is_cancelled(), "{:?}", run.outcome);
    assert!(tree(&site.path("index")).is_empty());
    assert!(matches!(search(&site.path("index"), "words", 1), Err(SearchError::NoIndex { .. })));
}

#[tokio::test]
async fn the_heap_has_a_range() {
    let site = site().await;
    let mut params = site.index_params();
    params["writer_heap_mib"] = json!(1);
    let run = testing::run(IndexData::default(), params).await;
    assert!(run.error().unwrap().message.contains("writer_heap_mib: 1 is not within 16 to 4000"));
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_named() {
    let site = site().await;
    site.index().await;
    let error = search(&site.path("index"), "colour:red", 5).unwrap_err().to_string();
    assert!(error.starts_with("QUERY: \"colour:red\"") && error.contains("colour"), "{error}");
}
