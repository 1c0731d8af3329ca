//! `validate_import` as a job: folders, lists, limits, cancel.

use std::{fs, os::unix::fs::symlink};

use drover_import_worker::{fault::FaultKind, jobs::ValidateImport, roots::Roots};
use drover_worker::testing::{self, Moment, TestCase};
use serde_json::json;

use crate::support::{Site, good_files, validated, warnings};

#[tokio::test]
async fn a_missing_or_unknown_path_is_a_permanent_failure_that_names_it() {
    let site = Site::new();
    let run = site.validate().await;
    let error = run.error().unwrap();
    assert_eq!((error.kind.as_str(), error.retryable), ("io", false));
    assert!(error.message.contains("import_path") && error.message.contains(&site.text("in")), "{}", error.message);
    assert_eq!(run.result::<serde_json::Value>(), None, "nothing that reads like \"0 files\"");

    site.file("x.txt", b"x");
    for (path, part) in [(site.text("in/x.txt"), "unknown ending"), ("in".to_owned(), "not an absolute path")] {
        let run = testing::run(ValidateImport::default(), json!({"import_path": path})).await;
        let error = run.error().unwrap();
        assert!(error.kind == "invalid_params" && !error.retryable && error.message.contains(part), "{error}");
    }
}

#[tokio::test]
async fn roots_are_kept() {
    let (site, elsewhere) = (Site::new(), Site::new());
    site.file("a.csv", b"a\n1\n");
    let roots = Roots::new([elsewhere.root.path().to_path_buf()]).unwrap();
    let run = testing::run(ValidateImport { roots }, json!({"import_path": site.text("in")})).await;
    let message = &run.error().unwrap().message;
    assert!(message.starts_with("import_path: ") && message.contains("DROVER_IMPORT_ROOTS"), "{message}");
}

#[tokio::test]
async fn a_folder_is_searched_in_order_without_hidden_files_and_links() {
    let site = Site::new();
    let outside = Site::new();
    outside.file("o.csv", b"a\n1\n");
    for name in ["b.csv", "a/z.csv", "A.CSV", ".hidden.csv", ".git/x.csv", "readme.txt"] {
        site.file(name, b"a\n1\n");
    }
    symlink(site.path("in/b.csv"), site.path("in/link.csv")).unwrap();
    symlink(outside.path("in"), site.path("in/away")).unwrap();
    symlink(outside.path("in/o.csv"), site.path("in/away.csv")).unwrap();
    symlink(site.path("in"), site.path("in/a/loop")).unwrap();
    symlink("/nowhere-at-all", site.path("in/dangling.csv")).unwrap();

    let run = site.validate().await;
    let expected: Vec<String> = ["A.CSV", "a/z.csv", "b.csv"].map(|name| site.text("in/") + name).to_vec();
    assert_eq!(good_files(&run), expected);
    assert!(run.is_completed() && warnings(&run).is_empty(), "{run:?}");
    assert_eq!(validated(&run).ignored_files, 6, "the text file and five links");

    let run = site.validate_with(json!({"follow_links": true})).await;
    let result = validated(&run);
    assert_eq!(result.valid_files, 3, "a file with two names counts once: {run:?}");
    let bad: Vec<(&str, FaultKind)> =
        result.bad_files.iter().map(|bad| (bad.path.rsplit('/').next().unwrap(), bad.errors[0].kind)).collect();
    let link = FaultKind::Link;
    assert_eq!(bad, [("loop", link), ("away", link), ("away.csv", link), ("dangling.csv", FaultKind::Io)]);
}

#[tokio::test]
async fn one_file_and_a_link_to_the_folder_will_do_as_import_path() {
    let site = Site::new();
    let path = site.file("b.csv", b"a\n1\n");
    site.file("c.csv", b"a\n1\n");
    let run = testing::run(ValidateImport::default(), json!({"import_path": path})).await;
    assert_eq!(good_files(&run), [path]);

    symlink(site.path("in"), site.path("link")).unwrap();
    let run = testing::run(ValidateImport::default(), json!({"import_path": site.text("link")})).await;
    assert_eq!(good_files(&run), [site.text("link/b.csv"), site.text("link/c.csv")]);
}

#[tokio::test]
async fn a_folder_with_nothing_to_import_says_so() {
    let site = Site::new();
    site.file("readme.txt", b"x");
    let run = site.validate().await;
    assert_eq!(validated(&run).total_files, 0);
    assert!(warnings(&run)[0].contains(".csv"), "{run:?}");
    assert_eq!(good_files(&run), Vec::<String>::new());
}

#[tokio::test]
async fn a_pipe_is_no_file_and_blocks_nobody() {
    let site = Site::new();
    site.file("a.csv", b"a\n1\n");
    nix::unistd::mkfifo(&site.path("in/pipe.csv"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let run = site.validate().await;
    let result = validated(&run);
    assert_eq!((result.valid_files, result.invalid_files), (1, 1));
    assert!(result.bad_files[0].errors[0].message.contains("not a regular file"));
}

#[tokio::test]
async fn bad_files_are_a_warning_with_a_bounded_list_of_their_errors() {
    let site = Site::new();
    site.file("good.csv", b"a,b\n1,2\n");
    let bad = "a,b\n".to_owned() + &"1\n".repeat(100);
    site.file("bad.csv", bad.as_bytes());
    let run = site.validate_with(json!({"max_errors_per_file": 3})).await;
    let result = validated(&run);
    assert!(run.is_completed());
    assert_eq!((result.total_files, result.valid_files, result.invalid_files, result.total_rows), (2, 1, 1, 1));
    let bad = &result.bad_files[0];
    assert_eq!((bad.errors.len(), bad.more), (3, 97));
    assert_eq!(bad.errors.iter().map(|error| error.line).collect::<Vec<_>>(), [Some(2), Some(3), Some(4)]);
    assert_eq!(good_files(&run), [site.text("in/good.csv")]);
    assert!(warnings(&run).iter().any(|warning| warning.contains("bad.csv") && warning.contains("99 more")), "{run:?}");
    assert!(run.logs.iter().any(|line| line.message.contains("bad.csv: line 2")), "{:?}", run.logs);
}

#[tokio::test]
async fn a_long_list_of_bad_files_travels_as_items() {
    let site = Site::new();
    let bad = "a,b\n".to_owned() + &"1\n".repeat(20);
    for number in 0..300 {
        site.file(&format!("bad-{number:03}.csv"), bad.as_bytes());
    }
    let run = site.validate().await;
    let result = validated(&run);
    assert_eq!(result.invalid_files, 300);
    assert!(!result.bad_files.is_empty() && result.more_bad_files > 0);
    assert_eq!(result.bad_files.len() as u64 + result.more_bad_files, 300);
    assert_eq!(run.items["bad_files"].len(), 300);
    assert!(serde_json::to_vec(&result).unwrap().len() < 200_000);
}

#[tokio::test]
async fn rows_are_held_against_the_schema_after_typing() {
    let site = Site::new();
    site.file("a.csv", b"id,name\n1,Ada\n");
    site.file("b.csv", b"id,name\n1,Ada\n007,Bond\n");
    site.file("c.json", b"[{\"id\":\"x\"}]");
    let schema = json!({"required": ["name"], "properties": {"id": {"type": "integer"}}});
    let run = site.validate_with(json!({"schema": schema})).await;
    let result = validated(&run);
    assert_eq!(good_files(&run), [site.text("in/a.csv")]);
    assert_eq!(result.bad_files[0].errors[0].kind, FaultKind::Schema);
    assert_eq!(result.bad_files[0].errors[0].line, Some(3), "a number with leading zeros is a string");
    assert!(result.bad_files[1].errors[0].message.contains("(and 1 more)"), "{:?}", result.bad_files[1]);

    let run = site.validate_with(json!({"schema": {"type": "nonsense"}})).await;
    let error = run.error().unwrap();
    assert!(error.kind == "invalid_params" && error.message.starts_with("schema: "), "{error}");
}

#[tokio::test]
async fn some_bad_rows_can_be_allowed() {
    let site = Site::new();
    site.file("a.csv", b"a,b\n1,2\n1\n3,4\n");
    site.file("b.csv", b"a,b\n1\n1\n3,4\n");
    let run = site.validate_with(json!({"allow_bad_rows": 1})).await;
    let result = validated(&run);
    assert_eq!((result.valid_files, result.invalid_files, result.total_rows, result.bad_rows), (1, 1, 2, 1));
    assert!(warnings(&run).iter().any(|warning| warning.contains("1 bad row will be rejected")), "{run:?}");
}

#[tokio::test]
async fn parameters_out_of_range_and_unknown_ones_are_refused() {
    let site = Site::new();
    site.file("a.csv", b"a\n1\n");
    for (more, part) in [
        (json!({"max_errors_per_file": 0}), "max_errors_per_file"),
        (json!({"max_errors_per_file": 1001}), "1 to 1000"),
        (json!({"maximum": 1}), "maximum"),
    ] {
        let run = site.validate_with(more).await;
        let error = run.error().unwrap();
        assert!(error.kind == "invalid_params" && error.message.contains(part), "{error}");
    }
}

#[tokio::test]
async fn progress_counts_files_and_never_goes_back() {
    let site = Site::new();
    for number in 0..20 {
        site.file(&format!("{number}.csv"), b"a\n1\n");
    }
    let run = site.validate().await;
    let last = run.progress.last().unwrap();
    assert_eq!((last.processed, last.total, last.percent), (Some(20), Some(20), Some(100.0)));
    let percents: Vec<f64> = run.progress.iter().filter_map(|report| report.percent).collect();
    assert!(percents.windows(2).all(|pair| pair[0] <= pair[1]), "{percents:?}");
}

#[tokio::test]
async fn a_cancel_ends_it_with_what_was_found_by_then() {
    let site = Site::new();
    fs::create_dir_all(site.path("in")).unwrap();
    let rows = "a,b\n".to_owned() + &"1,2\n".repeat(500_000);
    for number in 0..40 {
        site.file(&format!("{number}.csv"), rows.as_bytes());
    }
    let case = TestCase::new(ValidateImport::default())
        .cancel_when(|moment| matches!(moment, Moment::Progress(report) if report.percent.is_some_and(|p| p > 0.0)));
    let run = case.run(json!({"import_path": site.text("in")})).await;
    assert!(run.is_cancelled(), "{:?}", run.outcome);
    assert!(validated(&run).valid_files < 40);
}
