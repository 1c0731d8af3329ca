//! `process_import` as a job: typed rows, rejects, failures.

use std::{fs, slice::from_ref};

use drover_import_worker::{fault::FaultKind, index::search, jobs::ProcessImport, layout::output_name};
use drover_worker::testing;
use serde_json::json;

use crate::support::{RUN, Site, indexed, processed, tree};

#[tokio::test]
async fn rows_are_typed_and_say_where_they_came_from() {
    let site = Site::new();
    let csv =
        site.file("sub/x.csv", b"id,code,price,ok,at,note\n1,007,1.50,true,2024-02-29,\n2,\"a\nb\",1e5,no,,NULL\n");
    let json = site.file("y.json", b"[{\n  \"z\": 1.10,\n  \"a\": [\"x \\\" y\", null]\n}]");
    let run = site.process(&[csv.clone(), json.clone()]).await;
    let result = processed(&run);
    assert!(run.is_completed());
    assert_eq!((result.files, result.rows, result.rejected, result.failed_files), (2, 3, 0, 0));
    let rows = site.rows();
    let source = |file: &String, line: u64| json!({"file": file, "line": line});
    let expected = [
        json!({"id": 1, "code": "007", "price": 1.5, "ok": true, "at": "2024-02-29", "note": null, "_source": source(&csv, 2)}),
        json!({"id": 2, "code": "a\nb", "price": "1e5", "ok": "no", "at": null, "note": null, "_source": source(&csv, 3)}),
        json!({"z": 1.1, "a": ["x \" y", null], "_source": source(&json, 1)}),
    ];
    assert_eq!(rows, expected);
    let files = tree(&site.path("out").join(RUN));
    assert_eq!(result.bytes_written, files.values().map(|content| content.len() as u64).sum::<u64>());
    let text = String::from_utf8(files[&format!("rows/{}", output_name(&json))].clone()).unwrap();
    assert!(text.starts_with(r#"{"z":1.10,"a":["x \" y",null],"_source""#), "digits and order are kept: {text}");
}

/// Of an object on one line every blank is kept, so one without fields may still hold some.
#[tokio::test]
async fn objects_without_fields_are_rows_that_can_be_indexed() {
    let site = Site::new();
    let json = site.file("x.json", b"[{ },{\"a\":1},{ \"b\": \"found\" }]");
    let ndjson = site.file("y.ndjson", b"{ }\n{}\n{\t}\r\n");
    let result = processed(&site.process(&[json.clone(), ndjson.clone()]).await);
    assert_eq!((result.rows, result.rejected), (6, 0));
    let source = |file: &String, line: u64| json!({"file": file, "line": line});
    let expected = [
        json!({"_source": source(&json, 1)}),
        json!({"a": 1, "_source": source(&json, 1)}),
        json!({"b": "found", "_source": source(&json, 1)}),
        json!({"_source": source(&ndjson, 1)}),
        json!({"_source": source(&ndjson, 2)}),
        json!({"_source": source(&ndjson, 3)}),
    ];
    assert_eq!(site.rows(), expected);
    assert_eq!(indexed(&site.index().await).indexed_rows, 6);
    assert_eq!(search(&site.path("index"), "found", 5).unwrap().total, 1);
}

#[tokio::test]
async fn what_is_no_row_is_rejected_with_its_reason() {
    let site = Site::new();
    let csv = site.file("x.csv", b"a,b\n1,2\nx\0,y\n3\n\xFF,5\n6,7\n");
    let ndjson = site.file("y.ndjson", b"{\"a\":\"\\u0000\"}\n{}\nnope\n");
    let result = processed(&site.process(&[csv.clone(), ndjson]).await);
    assert_eq!((result.rows, result.rejected), (3, 5));
    let rejects = site.rejects();
    let seen: Vec<(u64, FaultKind, &str)> =
        rejects.iter().map(|reject| (reject.line, reject.kind, reject.raw.as_str())).collect();
    assert_eq!(
        seen,
        [
            (3, FaultKind::Nul, "x␀,y"),
            (4, FaultKind::Columns, "3"),
            (5, FaultKind::Encoding, "\u{fffd},5"),
            (1, FaultKind::Nul, "{\"a\":\"\\u0000\"}"),
            (3, FaultKind::Json, "nope"),
        ]
    );
    assert_eq!(rejects[0].file, csv);
    assert!(site.rows().iter().all(|row| !row.to_string().contains("\\u0000")), "no NUL in the rows");
    assert!(rejects.iter().all(|reject| !reject.raw.contains('\0')), "nor in the rejects");
}

#[tokio::test]
async fn rows_that_break_the_schema_are_rejected() {
    let site = Site::new();
    let path = site.file("x.csv", b"a\n1\nx\n");
    let mut params = site.process_params(&[path]);
    params["schema"] = json!({"properties": {"a": {"type": "integer"}}});
    let run = testing::run(ProcessImport::default(), params).await;
    assert_eq!((processed(&run).rows, processed(&run).rejected), (1, 1));
    assert_eq!((site.rejects()[0].kind, site.rejects()[0].raw.as_str()), (FaultKind::Schema, "x"));
}

#[tokio::test]
async fn a_file_that_vanished_is_an_error_beside_the_others() {
    let site = Site::new();
    let (good, gone) = (site.file("good.csv", b"a\n1\n"), site.file("gone.csv", b"a\n2\n"));
    assert!(site.process(&[good.clone(), gone.clone()]).await.is_completed());
    assert_eq!(site.rows().len(), 2);
    fs::remove_file(&gone).unwrap();

    let run = site.process(&[good.clone(), gone.clone()]).await;
    let outcome = serde_json::to_value(&run.outcome).unwrap();
    assert_eq!(outcome["kind"], "completed_with_errors");
    assert_eq!(
        (outcome["errors"][0]["kind"].as_str(), outcome["errors"][0]["retryable"].as_bool()),
        (Some("io"), Some(true))
    );
    assert!(outcome["errors"][0]["message"].as_str().unwrap().contains(&gone));
    let result = processed(&run);
    assert_eq!((result.files, result.failed_files, result.rows), (1, 1, 1));
    assert_eq!(site.rows().len(), 1, "the folder holds what the result reports");

    fs::remove_file(&good).unwrap();
    let run = site.process(&[good, gone]).await;
    let error = run.error().unwrap();
    assert!(error.kind == "io" && error.retryable && error.message.contains("none of 2 files"), "{error}");
    assert_eq!(processed(&run).failed_files, 2, "the partial result is kept");
}

#[tokio::test]
async fn a_file_that_breaks_in_the_middle_leaves_no_rows() {
    let site = Site::new();
    let content = "id,name\n".to_owned() + &"1,some text\n".repeat(50_000);
    let mut packed = crate::support::gzip(content.as_bytes());
    packed.truncate(packed.len() / 2);
    let path = site.raw_file("a.csv.gz", &packed);
    let run = site.process(&[path]).await;
    let error = run.error().unwrap();
    assert!(error.kind == "gzip" && !error.retryable, "{error}");
    assert!(tree(&site.path("out")).is_empty(), "neither rows nor temporary files");
}

#[tokio::test]
async fn an_output_that_cannot_be_written_fails_the_job_and_names_it() {
    let site = Site::new();
    let path = site.file("a.csv", b"a\n1\n");
    fs::write(site.path("out"), b"a file where a folder should be").unwrap();
    let run = site.process(&[path]).await;
    let error = run.error().unwrap();
    assert!(
        error.kind == "io" && error.message.contains("output_path") && error.message.contains(&site.text("out")),
        "{error}"
    );
}

#[tokio::test]
async fn bad_parameters_name_the_field() {
    let site = Site::new();
    for (field, value, part) in [
        ("run_id", json!("../up"), "run_id"),
        ("output_path", json!("out"), "output_path"),
        ("files", json!([{"path": "x.csv"}]), "files[0].path"),
        ("files", json!([{"path": "/x.csv", "format": "xml"}]), "xml"),
    ] {
        let mut params = site.process_params(&[]);
        params[field] = value;
        let run = testing::run(ProcessImport::default(), params).await;
        let error = run.error().unwrap();
        assert!(error.kind == "invalid_params" && !error.retryable && error.message.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_file_of_unknown_ending_needs_its_format() {
    let site = Site::new();
    let path = site.file("data.txt", b"a\n1\n");
    let error = site.process(from_ref(&path)).await.error().unwrap().clone();
    assert!(error.kind == "format" && !error.retryable && error.message.contains("`format`"), "{error}");
    let mut params = site.process_params(&[path]);
    params["files"][0]["format"] = json!("csv");
    assert_eq!(processed(&testing::run(ProcessImport::default(), params).await).rows, 1);
}
