//! The program's commands.

use std::{
    fs,
    process::{Command, Output},
};

use drover_media_worker::samples::Manifest;
use tempfile::TempDir;

fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_drover-media-worker"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DROVER_MEDIA_")) {
        program.env_remove(name);
    }
    program.args(args).envs(environment.iter().copied()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_names_every_setting_and_its_variable() {
    let help = run(&["--help"], &[]);
    let text = String::from_utf8(help.stdout).unwrap();
    for name in
        ["DATABASE_URL", "DOWNLOADS", "LIBRARY", "GENERATED", "FFMPEG", "FFPROBE", "FFMPEG_SECONDS", "FILES_URL"]
    {
        assert!(text.contains(&format!("DROVER_MEDIA_{name}")), "{name}: {text}");
    }
    assert!(text.contains("generate-samples"));
}

#[test]
fn what_is_missing_or_wrong_is_named_with_the_way_out() {
    let root = TempDir::new().unwrap();
    let folder = |name: &str| {
        let path = root.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (downloads, library, generated) = (folder("downloads"), folder("library"), folder("generated"));
    let url = "postgres://u:secret@127.0.0.1:9/d";
    let all = [
        ("DROVER_MEDIA_DATABASE_URL", url),
        ("DROVER_MEDIA_DOWNLOADS", downloads.as_str()),
        ("DROVER_MEDIA_LIBRARY", library.as_str()),
        ("DROVER_MEDIA_GENERATED", generated.as_str()),
    ];
    for (index, (variable, _)) in all.iter().enumerate() {
        let mut some = all.to_vec();
        some.remove(index);
        let output = run(&["run"], &some);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(variable) && stderr(&output).contains("is missing"), "{}", stderr(&output));
    }
    let with = |name: &'static str, value: &'static str| {
        let mut environment = all.to_vec();
        environment.retain(|(other, _)| *other != name);
        environment.push((name, value));
        let output = run(&["run"], &environment);
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    assert!(with("DROVER_MEDIA_LIBRARY", "/nowhere/at-all").contains("--library: \"/nowhere/at-all\""));
    let missing = with("DROVER_MEDIA_FFMPEG", "/nowhere/ffmpeg");
    assert!(missing.contains("/nowhere/ffmpeg") && missing.contains("apt-get install ffmpeg"), "{missing}");
    let wrong = with("DROVER_MEDIA_DATABASE_URL", "nonsense");
    assert!(wrong.contains("DROVER_MEDIA_DATABASE_URL"), "{wrong}");
    for files_url in ["media", "//elsewhere/media", "ftp://h/media", "/files/a b", ""] {
        let wrong = with("DROVER_MEDIA_FILES_URL", files_url);
        assert!(wrong.contains("--files-url") && wrong.contains("/files/media"), "{files_url:?}: {wrong}");
    }
    let away = run(&["migrate"], &all);
    assert!(!away.status.success() && stderr(&away).contains("cannot be reached"), "{}", stderr(&away));
    assert!(!stderr(&away).contains("secret"));
}

#[test]
fn samples_are_made_into_an_empty_folder() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("in");
    let folder = folder.to_str().unwrap();
    let output = run(&["generate-samples", folder], &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let manifest: Manifest = serde_json::from_slice(&output.stdout).unwrap();
    assert!(manifest.videos.len() >= 4 && manifest.items == manifest.videos.len() as u64 + 2, "{manifest:?}");
    assert!(manifest.videos.iter().all(|video| root.path().join("in").join(&video.path).is_file()));
    let again = run(&["generate-samples", folder], &[]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("is not empty"));
    let output = run(&["--ffmpeg", "/nowhere/ffmpeg", "generate-samples", &format!("{folder}2")], &[]);
    assert!(stderr(&output).contains("install ffmpeg"), "{}", stderr(&output));
}
