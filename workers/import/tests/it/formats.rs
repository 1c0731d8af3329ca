//! Every format, packed and not: good files keep their content, and each kind of fault is found where it is.

use std::slice::from_ref;

use drover_import_worker::fault::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::{Site, gzip, processed, validated};

/// The same two rows in every format.
const GOOD: &[(&str, &[u8])] = &[
    ("a.csv", b"id,name\n1,Ada\n2,\"B, \"\"C\"\"\"\n"),
    ("a.tsv", b"id\tname\n1\tAda\n2\t\"B, \"\"C\"\"\"\n"),
    ("a.json", b"[{\"id\":1,\"name\":\"Ada\"},\n {\"id\":2,\"name\":\"B, \\\"C\\\"\"}]"),
    ("a.ndjson", b"{\"id\":1,\"name\":\"Ada\"}\n{\"id\":2,\"name\":\"B, \\\"C\\\"\"}\n"),
    ("a.jsonl", b"{\"id\":1,\"name\":\"Ada\"}\n\n{\"id\":2,\"name\":\"B, \\\"C\\\"\"}"),
];

#[tokio::test]
async fn each_format_gives_the_same_rows_packed_or_not() {
    for (name, content) in GOOD {
        for ending in ["", ".gz"] {
            let site = Site::new();
            let path = site.file(&format!("{name}{ending}"), content);
            let found = site.validate().await;
            assert!(found.is_completed() && validated(&found).total_rows == 2, "{name}{ending}: {found:?}");
            assert_eq!(found.items["file_list"][0]["rows"], 2);

            assert_eq!(processed(&site.process(from_ref(&path)).await).rows, 2, "{name}{ending}");
            let mut rows = site.rows();
            for row in &mut rows {
                assert_eq!(row.as_object_mut().unwrap().remove("_source").unwrap()["file"], *path);
            }
            assert_eq!(rows, [json!({"id": 1, "name": "Ada"}), json!({"id": 2, "name": "B, \"C\""})], "{name}{ending}");
        }
    }
}

#[tokio::test]
async fn byte_order_mark_windows_line_ends_and_several_gzip_members_are_understood() {
    let mut members = gzip(b"id,name\r\n1,Ada\r\n");
    members.extend(gzip(b"2,\"B\r\nC\"\r\n\r\n3,D"));
    let cases: &[(&str, &[u8])] = &[
        ("a.csv", b"\xEF\xBB\xBFid,name\r\n1,Ada\r\n2,\"B\r\nC\"\r\n\r\n3,D"),
        ("a.csv.gz", &members),
        ("a.ndjson", b"\xEF\xBB\xBF{\"id\":1,\"name\":\"Ada\"}\r\n\n{\"id\":2,\"name\":\"B\\r\\nC\"}\r\n\r\n{\"id\":3,\"name\":\"D\"}"),
    ];
    for (name, content) in cases {
        let site = Site::new();
        let path = site.raw_file(name, content);
        let result = processed(&site.process(&[path]).await);
        assert_eq!((result.rows, result.rejected), (3, 0), "{name}");
        let rows = site.rows();
        assert_eq!(rows[1]["name"], "B\r\nC", "{name}");
        let lines: Vec<&Value> = rows.iter().map(|row| &row["_source"]["line"]).collect();
        let expected = if name.starts_with("a.csv") { [2, 3, 6] } else { [1, 3, 5] };
        assert_eq!(lines, expected.map(Value::from).iter().collect::<Vec<_>>(), "{name}");
    }
}

/// Name, content, and the first fault: kind, line, a part of the message.
type Broken = (&'static str, Vec<u8>, FaultKind, Option<u64>, &'static str);

fn broken() -> Vec<Broken> {
    use FaultKind::{Columns, Empty, Encoding, Header, Json, Nul, Quote, Reserved, TooLong};
    let long = "x".repeat(1024 * 1024 + 1);
    let mut cases: Vec<Broken> = vec![
        ("empty.csv", vec![], Empty, None, "empty"),
        ("bom.csv", b"\xEF\xBB\xBF".to_vec(), Empty, None, "blank"),
        ("blank.tsv", b"\n\r\n\n".to_vec(), Empty, None, "blank"),
        ("blank.ndjson", b"\n \r\n".to_vec(), Empty, None, "blank"),
        ("blank.json", b" \n ".to_vec(), Empty, None, "white space"),
        ("utf16.csv", b"\xFF\xFEi\0d\0".to_vec(), Encoding, None, "UTF-16"),
        ("bytes.csv", b"id,name\n1,a\n2,Bj\xF6rn\n".to_vec(), Encoding, Some(3), "0xF6 at offset 16"),
        ("split.csv", b"a,b\n\xC3,\xA9\n".to_vec(), Encoding, Some(2), "0xC3 at offset 4"),
        ("head.csv", b"id,n\xF6\n1,a\n".to_vec(), Encoding, Some(1), "0xF6 at offset 4"),
        ("bytes.ndjson", b"{\"a\":1}\n{\"a\":\"\xFF\"}\n".to_vec(), Encoding, Some(2), "0xFF at offset 14"),
        ("bytes.json", b"[{\"a\":1},\n{\"a\":\"\xFF\"}]".to_vec(), Encoding, Some(2), "0xFF at offset 16"),
        ("twice.csv", b"\n\nid,name,id\n1,a,2\n".to_vec(), Header, Some(3), "columns 1 and 3 are both named `id`"),
        ("noname.tsv", b"id\t \tx\n1\t2\t3\n".to_vec(), Header, Some(1), "column 2 has no name"),
        ("reserved.csv", b"id,_source\n1,2\n".to_vec(), Header, Some(1), "`_source`"),
        ("reserved.ndjson", b"{\"_source\":1}\n".to_vec(), Reserved, Some(1), "`_source`"),
        ("more.csv", b"a,b\n1,2\n1,2,3\n".to_vec(), Columns, Some(3), "3 fields where the header has 2 columns"),
        ("fewer.tsv", b"a\tb\n1\n".to_vec(), Columns, Some(2), "1 fields where"),
        ("quote.csv", b"a,b\n1,2\n3,\"4\n5,6\n".to_vec(), Quote, Some(3), "never closed"),
        ("nul.csv", b"a,b\n1,x\0y\n".to_vec(), Nul, Some(2), "NUL"),
        ("nul.ndjson", b"{\"a\":\"\\u0000\"}\n".to_vec(), Nul, Some(1), "field `a`"),
        ("nul.json", b"[\n{\"a\":\"\0\"}]".to_vec(), Nul, Some(2), "NUL"),
        ("array.ndjson", b"{}\n[1]\n".to_vec(), Json, Some(2), "not an array"),
        ("text.ndjson", b"hello\n".to_vec(), Json, Some(1), "not valid JSON"),
        ("object.json", b"{\"a\":1}".to_vec(), Json, Some(1), "named .ndjson"),
        ("scalar.json", b"[1]".to_vec(), Json, Some(1), "must be an object"),
        ("cut.json", b"[{\"a\":1},\n{\"a\":".to_vec(), Json, Some(2), "ends within the element"),
        ("open.json", b"[{\"a\":1}\n".to_vec(), Json, Some(2), "closing `]`"),
        ("comma.json", b"[{\"a\":1}\n{\"a\":2}]".to_vec(), Json, Some(2), "expected `,` or `]`"),
        ("trailing.json", b"[{\"a\":1},]".to_vec(), Json, Some(1), "expected an object, found `]`"),
        ("behind.json", b"[]\nx".to_vec(), Json, Some(2), "behind the array"),
        ("inner.json", b"[\n{\"a\":\n'x'}]".to_vec(), Json, Some(2), "line 3"),
        ("long.csv", format!("a,b\n1,{long}\n3,4\n").into_bytes(), TooLong, Some(2), "1048576"),
        ("wide.csv", format!("a,b\n1{}\n3,4\n", ",".repeat(1024 * 1024)).into_bytes(), TooLong, Some(2), "1048576"),
        ("long.ndjson", format!("{{\"a\":\"{long}\"}}\n{{}}\n").into_bytes(), TooLong, Some(1), "1048576"),
        ("long.json", format!("[{{\"a\":\"{long}\"}},{{}}]").into_bytes(), TooLong, Some(1), "1048576"),
    ];
    cases.sort_by_key(|case| case.0);
    cases
}

async fn first_fault(site: &Site) -> Fault {
    let run = site.validate().await;
    let result = validated(&run);
    assert_eq!((result.valid_files, result.invalid_files, result.total_rows), (0, 1, 0), "{run:?}");
    result.bad_files[0].errors[0].clone()
}

#[tokio::test]
async fn each_fault_is_named_with_its_line_packed_or_not() {
    for (name, content, kind, line, part) in broken() {
        for ending in ["", ".gz"] {
            let site = Site::new();
            site.file(&format!("{name}{ending}"), &content);
            let fault = first_fault(&site).await;
            assert_eq!((fault.kind, fault.line), (kind, line), "{name}{ending}: {fault}");
            assert!(fault.message.contains(part), "{name}{ending}: {fault}");
        }
    }
}

#[tokio::test]
async fn damaged_gzip_is_told_from_other_faults() {
    let content = "id,name\n".to_owned() + &"1,some text that packs well\n".repeat(20_000);
    let whole = gzip(content.as_bytes());
    let mut flipped = whole.clone();
    let checksum = flipped.len() - 8;
    flipped[checksum] ^= 0xFF;
    let mut garbled = whole.clone();
    let middle = garbled.len() / 2;
    garbled[middle] ^= 0xFF;
    for (content, part) in [
        (&whole[..whole.len() / 2], "ends too early"),
        (&whole[..whole.len() - 4], "ends too early"),
        (&flipped[..], "damaged"),
        (&garbled[..], "the gzip data"),
        (content.as_bytes(), "damaged"),
        (b"", "empty"),
    ] {
        let site = Site::new();
        site.raw_file("a.csv.gz", content);
        let fault = first_fault(&site).await;
        assert!(matches!(fault.kind, FaultKind::Gzip | FaultKind::Empty), "{fault:?}");
        assert!(fault.message.contains(part), "{fault}");
    }
    let site = Site::new();
    site.raw_file("a.csv", &whole);
    assert!(first_fault(&site).await.message.contains(".gz"));
}

#[tokio::test]
async fn after_a_record_that_is_too_long_the_next_rows_are_read() {
    let long = "x".repeat(3 * 1024 * 1024);
    for (name, content) in [
        ("a.csv", format!("a,b\n1,2\n1,\"{long}\n\"\n3,4\n")),
        ("a.ndjson", format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n{{\"a\":3}}\n")),
        ("a.json", format!("[{{\"a\":1}},{{\"a\":\"{long}\"}},{{\"a\":3}}]")),
    ] {
        let site = Site::new();
        let path = site.file(name, content.as_bytes());
        let result = processed(&site.process(&[path]).await);
        assert_eq!((result.rows, result.rejected), (2, 1), "{name}");
        assert_eq!(site.rows()[1]["a"], 3, "{name}");
        let reject = &site.rejects()[0];
        assert_eq!(reject.kind, FaultKind::TooLong, "{name}");
        assert!(reject.raw.len() < 70_000, "{name}: the raw text is bounded");
    }
}
