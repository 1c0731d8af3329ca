//! `cleanup_temp` as a job: what it removes, and above all what it does not.

use std::{fs, os::unix::fs::symlink};

use drover_import_worker::cleanup::CleanupResult;
use drover_worker::testing::TestRun;
use serde_json::json;

use crate::support::{RUN, Site, tree};

fn cleaned(run: &TestRun) -> CleanupResult {
    run.result().unwrap_or_else(|| panic!("no result: {run:?}"))
}

fn put(site: &Site, name: &str) {
    let path = site.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, b"12345").unwrap();
}

#[tokio::test]
async fn only_temporary_files_of_this_run_go() {
    let site = Site::new();
    let stay = [
        "out/run-1/rows/a.ndjson",
        "out/run-1/rejects/a.ndjson",
        "out/run-1/.drover-tmp-not-ours",
        "out/run-10/rows/.drover-tmp-x",
        "out/.drover-tmp-x",
        "index/run-1/meta.json",
        "index/.drover-tmp.run-10/build-x/meta.json",
    ];
    let go = [
        "out/run-1/rows/.drover-tmp-x",
        "out/run-1/rejects/.drover-tmp-y",
        "index/.drover-tmp.run-1/build-x/meta.json",
        "index/.drover-tmp.run-1/build-y/z.store",
    ];
    for name in stay.iter().chain(&go) {
        put(&site, name);
    }
    assert_eq!(cleaned(&site.cleanup(json!({})).await), CleanupResult { removed_files: 4, freed_bytes: 20 });
    let mut expected = stay.to_vec();
    expected.sort_unstable();
    assert_eq!(tree(site.root.path()).keys().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(!site.path("index/.drover-tmp.run-1").exists());

    assert_eq!(cleaned(&site.cleanup(json!({})).await).removed_files, 0, "a repeat finds nothing");
    assert_eq!(cleaned(&site.cleanup(json!({"keep_rows": false})).await).removed_files, 1);
    assert!(!site.path("out/run-1/rows/a.ndjson").exists() && site.path("out/run-1/rejects/a.ndjson").exists());
}

#[tokio::test]
async fn a_run_that_never_began_has_nothing_to_clean() {
    let site = Site::new();
    let run = site.cleanup(json!({"index_path": null})).await;
    assert!(run.is_completed());
    assert_eq!(cleaned(&run), CleanupResult::default());
}

#[tokio::test]
async fn links_that_lead_outside_are_refused_and_links_within_are_only_unlinked() {
    let (site, elsewhere) = (Site::new(), Site::new());
    put(&elsewhere, "rows/.drover-tmp-x");
    fs::create_dir_all(site.path("out").join(RUN)).unwrap();
    symlink(elsewhere.path("rows"), site.path("out/run-1/rows")).unwrap();
    let run = site.cleanup(json!({})).await;
    let error = run.error().unwrap();
    assert!(error.kind == "invalid_params" && error.message.contains("outside of output_path"), "{error}");
    assert!(elsewhere.path("rows/.drover-tmp-x").exists());

    fs::remove_file(site.path("out/run-1/rows")).unwrap();
    fs::create_dir_all(site.path("out/run-1/rows")).unwrap();
    symlink(elsewhere.path("rows/.drover-tmp-x"), site.path("out/run-1/rows/.drover-tmp-link")).unwrap();
    assert_eq!(cleaned(&site.cleanup(json!({})).await).removed_files, 1);
    assert!(elsewhere.path("rows/.drover-tmp-x").exists(), "the link went, not what it led to");
}
