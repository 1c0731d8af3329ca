//! A whole import of a generated data set, against its manifest.
//!
//! `DROVER_IMPORT_TEST_ROWS` and `DROVER_IMPORT_TEST_FILES` make it larger; each step's seconds are printed.

use std::time::Instant;

use drover_import_worker::{
    generate::{Request, generate},
    index::search,
    jobs::ProcessImport,
};
use drover_worker::testing;
use serde_json::json;

use crate::support::{RUN, Site, indexed, processed, validated};

const BROKEN: u64 = 8;
const BATCH_FILES: usize = 25;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().unwrap())
}

fn timed<T>(what: &str, since: &mut Instant, value: T) -> T {
    println!("{what}: {:.2} s", since.elapsed().as_secs_f64());
    *since = Instant::now();
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_data_set_is_imported_as_its_manifest_says() {
    let (rows, files) = (number("DROVER_IMPORT_TEST_ROWS", 20_000), number("DROVER_IMPORT_TEST_FILES", 60));
    let site = Site::new();
    let mut clock = Instant::now();
    let request = Request { out: site.path("in"), files, rows, broken: BROKEN, seed: 3 };
    let manifest = timed("generate", &mut clock, generate(&request).unwrap());

    let run = timed("validate", &mut clock, site.validate().await);
    let result = validated(&run);
    assert_eq!(
        (result.total_files, result.valid_files, result.invalid_files, result.total_rows),
        (manifest.files, manifest.valid_files, manifest.broken_files, manifest.rows)
    );
    for (bad, expected) in result.bad_files.iter().zip(&manifest.broken) {
        assert_eq!((&bad.path, bad.errors[0].kind), (&expected.path, expected.kind), "{bad:?}");
    }

    let list = &run.items["file_list"];
    let batches = list.chunks(BATCH_FILES).map(|files| {
        let params = json!({"files": files, "output_path": site.text("out"), "run_id": RUN});
        tokio::spawn(testing::run(ProcessImport::default(), params))
    });
    let mut processed_rows = 0;
    for batch in batches.collect::<Vec<_>>() {
        processed_rows += processed(&batch.await.unwrap()).rows;
    }
    assert_eq!(timed("process", &mut clock, processed_rows), manifest.rows);

    let run = timed("index", &mut clock, site.index().await);
    let result = indexed(&run);
    println!("{} segments, {} bytes", result.segments, result.index_bytes);
    assert_eq!(result.indexed_rows, manifest.rows);

    let needle = manifest.needle.unwrap();
    let found = timed("search", &mut clock, search(&site.path("index"), &needle.word, 10).unwrap());
    assert_eq!(found.total, 1);
    assert_eq!((&found.hits[0].file, found.hits[0].line), (&needle.file, needle.line));
}
