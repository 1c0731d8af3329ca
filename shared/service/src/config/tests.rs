use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::*;

const DEFAULTS: &str = r#"
[amqp]
url = "amqp://localhost"
prefix = "drover"
[worker]
concurrency = 8
grace_seconds = 10
types = []
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    amqp: Amqp,
    worker: Worker,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Amqp {
    url: SecretString,
    prefix: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Worker {
    concurrency: u32,
    grace_seconds: f64,
    types: Vec<String>,
    mode: Option<Mode>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Fast,
    Careful,
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Invalid> {
        in_range("worker.concurrency", &self.worker.concurrency, &(1..=1_000))?;
        above_zero("worker.grace_seconds", self.worker.grace_seconds)
    }
}

fn load(file: Option<&str>, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("drover.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Loader::new(DEFAULTS)
        .file(file.map(|_| path.as_path()))
        .only(&["amqp", "worker"])
        .secrets(&["amqp.url"])
        .environment(variables)
        .load()
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "drover.toml"))
}

fn error(file: Option<&str>, variables: &[(&str, &str)]) -> String {
    load(file, variables).unwrap_err()
}

#[test]
fn later_layers_win() {
    let settings = load(None, &[]).unwrap();
    assert_eq!((settings.amqp.prefix.as_str(), settings.worker.concurrency), ("drover", 8));
    let file = "[amqp]\nprefix = \"file\"\n[worker]\nconcurrency = 2\nmode = \"careful\"\n";
    let settings = load(Some(file), &[("DROVER__WORKER__CONCURRENCY", "3")]).unwrap();
    assert_eq!((settings.amqp.prefix.as_str(), settings.worker.concurrency), ("file", 3));
    assert_eq!(settings.worker.mode, Some(Mode::Careful));
    assert_eq!(settings.amqp.url.expose_secret(), "amqp://localhost");
}

#[test]
fn the_environment_writes_numbers_lists_and_names_as_texts() {
    let settings = load(
        None,
        &[
            ("DROVER__WORKER__GRACE_SECONDS", "2.5"),
            ("DROVER__WORKER__TYPES", "import, export"),
            ("DROVER__WORKER__MODE", "fast"),
            ("DROVER__AMQP__URL", "00123"),
            ("OTHER", "x"),
        ],
    )
    .unwrap();
    assert!((settings.worker.grace_seconds - 2.5).abs() < f64::EPSILON);
    assert_eq!(settings.worker.types, ["import", "export"]);
    assert_eq!(settings.worker.mode, Some(Mode::Fast));
    assert_eq!(settings.amqp.url.expose_secret(), "00123", "a password keeps its zeros");
}

#[test]
fn drover_config_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("named.toml");
    std::fs::write(&path, "[amqp]\nprefix = \"named\"\n").unwrap();
    let variables = HashMap::from([(FILE_VARIABLE.to_owned(), path.display().to_string())]);
    let settings: Settings = Loader::new(DEFAULTS).environment(variables).load().unwrap();
    assert_eq!(settings.amqp.prefix, "named");
}

#[test]
fn variables_that_are_no_texts_harm_nobody_unless_they_are_ours() {
    let broken = OsString::from_vec(b"amqp://s3cret\xff".to_vec());
    let read = |name: &str, value: &OsString| {
        let strange = (broken.clone(), OsString::from("x"));
        let variables = [strange, ("DROVER__AMQP__PREFIX".into(), "mine".into()), (name.into(), value.clone())];
        environment::texts(variables.into_iter()).map_err(|error| error.to_string())
    };
    let ours = HashMap::from([("DROVER__AMQP__PREFIX".to_owned(), "mine".to_owned())]);
    assert_eq!(read("LS_COLORS", &broken), Ok(ours.clone()));
    assert_eq!(read("DROVER_MEDIA_FOLDER", &broken), Ok(ours));
    for name in [FILE_VARIABLE, "DROVER__AMQP__URL", "drover__amqp__url"] {
        assert_eq!(read(name, &broken), Err(format!("the value of {name} in the environment is no UTF-8")));
    }
}

/// The environment of this test's process, which it is alone in.
#[test]
fn the_environment_of_a_process_may_hold_anything() {
    let broken = OsString::from_vec(vec![0xff]);
    let (this, name) = (env::current_exe().unwrap(), "config::tests::the_environment_of_a_process_may_hold_anything");
    let Ok(_) = env::var("CONFIG_TEST_CHILD") else {
        let mut child = std::process::Command::new(this);
        child.args(["--exact", name]).env("CONFIG_TEST_CHILD", "1").env("STRANGE", &broken).env(&broken, "x");
        assert!(child.status().unwrap().success());
        return;
    };
    assert!(Loader::new(DEFAULTS).load::<Settings>().is_ok());
}

#[test]
fn sections_of_other_processes_are_passed_over() {
    assert!(load(Some("[database]\nurl = \"postgres://\"\n"), &[("DROVER__HTTP__PORT", "80")]).is_ok());
}

#[test]
fn a_wrong_value_is_named_with_key_and_source() {
    assert_eq!(
        error(None, &[("DROVER__WORKER__CONCURRENCY", "many")]),
        "`worker.concurrency` = \"many\" in the environment (DROVER__WORKER__CONCURRENCY): expected a whole number"
    );
    assert_eq!(
        error(Some("[worker]\nconcurrency = \"x\""), &[]),
        "`worker.concurrency` = \"x\" in drover.toml: expected a whole number"
    );
    assert_eq!(
        error(Some("[worker]\nconcurrency = 1.7"), &[]),
        "`worker.concurrency` = 1.7 in drover.toml: invalid type: floating point `1.7`, expected u32"
    );
    assert_eq!(
        error(Some("[worker]\nconcurrency = -1"), &[]),
        "`worker.concurrency` = -1 in drover.toml: invalid value: integer `-1`, expected u32"
    );
    assert_eq!(
        error(Some("[worker]\nmode = \"slow\""), &[]),
        "`worker.mode` = \"slow\" in drover.toml: expected one of fast, careful"
    );
    assert_eq!(error(Some("worker = 3"), &[]), "`worker` = 3 in drover.toml: expected a section with keys of its own");
}

#[test]
fn a_value_out_of_range_is_named_with_key_and_source() {
    assert_eq!(
        error(None, &[("DROVER__WORKER__CONCURRENCY", "0")]),
        "`worker.concurrency` = \"0\" in the environment (DROVER__WORKER__CONCURRENCY): must be from 1 to 1000"
    );
    assert_eq!(
        error(Some("[worker]\ngrace_seconds = 0"), &[]),
        "`worker.grace_seconds` = 0 in drover.toml: must be above 0"
    );
}

#[test]
fn an_unknown_key_is_named_with_the_known_ones() {
    assert_eq!(
        error(Some("[amqp]\nurll = \"x\""), &[]),
        "unknown key `amqp.urll` in drover.toml; known here: prefix, url"
    );
    assert_eq!(
        error(None, &[("DROVER__WORKR__CONCURRENCY", "1")]),
        "unknown key `workr` in the environment (DROVER__WORKR__CONCURRENCY); known here: amqp, worker"
    );
}

#[test]
fn a_missing_key_is_named_with_its_variable() {
    let loaded: Result<Settings, _> = Loader::new("[amqp]\nurl = \"x\"\n[worker]\n").environment(HashMap::new()).load();
    assert_eq!(
        loaded.unwrap_err().to_string(),
        "`amqp.prefix` is not set; set it in the configuration file or as DROVER__AMQP__PREFIX"
    );
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let missing: Result<Settings, _> =
        Loader::new(DEFAULTS).file(Some(Path::new("/nowhere/drover.toml"))).environment(HashMap::new()).load();
    assert_eq!(
        missing.unwrap_err().to_string(),
        "cannot read the configuration file /nowhere/drover.toml: No such file or directory (os error 2)"
    );
    let text = error(Some("[amqp\n"), &[]);
    assert!(text.starts_with("drover.toml is not valid TOML: ") && text.contains("line 1"), "{text}");
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("url");
    std::fs::write(&path, "amqp://secret\n").unwrap();
    let path = path.display().to_string();
    let settings = load(None, &[("DROVER__AMQP__URL_FILE", &path)]).unwrap();
    assert_eq!(settings.amqp.url.expose_secret(), "amqp://secret");
    assert!(!format!("{settings:?}").contains("secret\""), "{settings:?}");
    assert_eq!(
        error(None, &[("DROVER__AMQP__URL_FILE", &path), ("DROVER__AMQP__URL", "amqp://x")]),
        "`amqp.url` and `amqp.url_file` are both set in the environment; keep one"
    );
    let settings = load(Some("[amqp]\nurl_file = \"/nowhere\"\n"), &[]).unwrap_err();
    assert_eq!(
        settings,
        "`amqp.url_file` = \"/nowhere\" in drover.toml: cannot read the secret: No such file or directory (os error 2)"
    );
}

#[test]
fn a_secret_is_never_quoted() {
    let text = error(Some("[amqp]\nurl = 4711\n"), &[]);
    assert_eq!(text, "`amqp.url` = (a secret) in drover.toml: is not of the right type");
    // What is not closed is noticed where the file ends.
    let broken = [
        (r#""amqp://u:s3\cret@h""#, 2),
        ("amqp://u:s3cret@h", 2),
        ("\"amqp://u:s3cret@h", 2),
        ("\"\"\"amqp://u:s3cret@h", 3),
    ];
    for (url, line) in broken {
        let text = error(Some(&format!("[amqp]\nurl = {url}\n")), &[]);
        assert!(text.starts_with(&format!("drover.toml is not valid TOML: line {line}, column ")), "{text}");
        assert!(!text.contains("cret"), "{text}");
    }
}
