//! The program's commands.

use std::{
    process::{Command, Output},
    slice::from_ref,
};

use drover_import_worker::generate::Manifest;
use serde_json::Value;

use crate::support::{Site, tree};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_drover-import-worker")).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn search_tells_by_its_exit_code_what_it_found() {
    let site = Site::new();
    let file = site.file("a.csv", b"name,note\nAda,the first\nGrace,\x1b[31mred\n");
    site.process(from_ref(&file)).await;
    site.index().await;
    let index = site.text("index");

    let found = run(&["search", "--index-path", &index, "ada"]);
    assert_eq!(found.status.code(), Some(0), "{}", stderr(&found));
    let text = stdout(&found);
    assert!(text.contains(&file) && text.contains("Ada the first") && text.contains("1 row found"), "{text}");

    let json = run(&["search", "--index-path", &index, "--json", "--limit", "1", "the OR grace"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((json["total"].as_u64(), json["hits"].as_array().unwrap().len()), (Some(2), 1));

    let red = run(&["search", "--index-path", &index, "grace"]);
    assert!(!stdout(&red).contains('\u{1b}'), "no control characters out of the data");

    let nothing = run(&["search", "--index-path", &index, "absent"]);
    assert_eq!((nothing.status.code(), stdout(&nothing).as_str()), (Some(1), "nothing found\n"));

    let missing = run(&["search", "--index-path", "/nowhere-at-all", "x"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("--index-path") && stderr(&missing).contains("/nowhere-at-all"));
    assert_eq!(run(&["search", "--index-path", &index, "a AND"]).status.code(), Some(2));
    assert_eq!(run(&["search", "--limit", "0", "--index-path", &index, "a"]).status.code(), Some(2));
}

#[test]
fn generate_gives_the_same_bytes_for_the_same_seed_and_refuses_what_does_not_fit() {
    let site = Site::new();
    let args = ["--files", "12", "--rows", "100", "--broken", "3", "--seed", "7"];
    let manifest_of = |out: &str| {
        let output = run(&[&["generate", "--out", out], &args[..]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice::<Manifest>(&output.stdout).unwrap()
    };
    let (a, b) = (manifest_of(&site.text("a")), manifest_of(&site.text("b")));
    assert_eq!(tree(&site.path("a")), tree(&site.path("b")));
    assert_eq!((a.valid_files, a.broken_files, a.rows, a.broken.len()), (9, 3, 100, 3));
    assert_eq!(a.needle.unwrap().word, b.needle.unwrap().word);
    assert_eq!(tree(&site.path("a")).values().map(|content| content.len() as u64).sum::<u64>(), a.bytes);

    for (args, part) in [
        (["--out", &site.text("a"), "--files", "1", "--broken", "0"], "not empty"),
        (["--out", &site.text("c"), "--files", "1", "--broken", "2"], "--broken: 2"),
        (["--out", &site.text("d"), "--files", "1", "--broken", "1"], "at least one good file"),
    ] {
        let output = run(&[&["generate"], &args[..]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
}
