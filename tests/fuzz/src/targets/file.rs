//! Files to import.

use std::io::Write;

use drover_import_worker::{
    meter::Meter,
    rows::{Record, RowReader},
    source::{Compression, Format},
};

pub(super) fn check(bytes: &[u8]) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { panic!("no temporary file can be made") };
    assert!(file.write_all(bytes).is_ok() && file.flush().is_ok(), "the file cannot be written");
    for format in [Format::Csv, Format::Tsv, Format::Json, Format::Ndjson] {
        for compression in [Compression::None, Compression::Gzip] {
            read(file.path(), format, compression, bytes.len());
        }
    }
}

fn read(path: &std::path::Path, format: Format, compression: Compression, length: usize) {
    let meter = Meter::default();
    let mut rows = match RowReader::open(path, format, compression, &meter) {
        Ok(rows) => rows,
        Err(_) => return,
    };
    // Compressed bytes may hold a thousand times as many.
    let mut most = 1_100 * length + 16;
    loop {
        assert!(most > 0, "there are more records than bytes");
        most -= 1;
        match rows.next_record() {
            Ok(Some(Record::Row(row))) => {
                let mut text = Vec::new();
                row.write_json(&mut text);
                let json: Result<serde_json::Value, _> = serde_json::from_slice(&text);
                assert!(json.is_ok_and(|row| row.is_object()), "no object: {:?}", String::from_utf8_lossy(&text));
            }
            Ok(Some(Record::Bad(bad))) => assert!(!bad.message.is_empty()),
            Ok(None) => return,
            Err(_) => return,
        }
    }
}
