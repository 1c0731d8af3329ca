//! `drover dev` and `drover demo`: the whole system as one process, with a private Postgres server.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use drover_tests::{
    Process, Signal, Vhost, binary, servers,
    wait::{self, Seen},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough for a loaded machine; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder that the user postgres may enter, too.
fn folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

fn drover(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary("drover").unwrap());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DROVER_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a process that names this folder runs, as its Postgres server does.
fn is_at_work(folder: &Path) -> bool {
    let output = Command::new("ps").args(["-eww", "-o", "args="]).output().unwrap();
    let data = folder.join("postgres").display().to_string();
    String::from_utf8_lossy(&output.stdout).lines().any(|line| line.contains(&data))
}

async fn until_nothing_is_at_work(folder: &Path) {
    let seen = || if is_at_work(folder) { Seen::not_yet("a server runs") } else { Seen::Yes(()) };
    wait::until("the private Postgres server to end", PATIENCE, async || Ok(seen())).await.unwrap();
}

/// A `drover dev` on a folder.
struct Dev {
    process: Process,
    url: String,
    told: Value,
}

impl Dev {
    async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[]).await
    }

    async fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut process = Process::spawn("drover", |command| {
            command.args(["dev", "--json", "--port", "0", "--data-dir"]).arg(folder).envs(environment.iter().copied());
            // Whatever a fleet's settings say: on loopback it asks whoever started it for nothing.
            command.env("DROVER__HTTP__AUTH", "tokens");
        })
        .unwrap();
        let line = process.wait_for_line("\"url\"", PATIENCE).await.unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        Self { process, url: told["url"].as_str().unwrap().to_owned(), told }
    }

    fn ask(&self, arguments: &[&str]) -> Value {
        let output = drover(&[&["--url", &self.url, "--json"], arguments].concat(), &[]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", stderr(&output)))
    }

    async fn until(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, PATIENCE, async || {
            let job = self.ask(&["show", id]);
            Ok(if wanted(&job) { Seen::Yes(job) } else { Seen::not_yet(job["metadata"].to_string()) })
        })
        .await
        .unwrap()
    }
}

fn generate(folder: &Path, files: &str, rows: &str) -> Value {
    let output = Command::new(binary("drover-import-worker").unwrap())
        .args(["generate", "--files", files, "--rows", rows, "--broken", "3", "--out"])
        .arg(folder)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_demo_prints_the_result_and_nothing_else_and_leaves_nothing() {
    let output = drover(&["demo", "--json", "--files", "40", "--rows", "2000", "--broken", "3"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let result: Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    assert_eq!(result["status"], "completed");
    let summary = &result["summary"];
    assert_eq!((&summary["total_files"], &summary["valid_files"]), (&json!(40), &json!(37)));
    assert_eq!((&summary["total_rows"], &summary["indexed_rows"]), (&json!(2000), &json!(2000)));
    assert!(!stderr(&output).contains('\u{1b}'), "no bars and no colours where nobody looks: {}", stderr(&output));
    let address = stderr(&output);
    let folder = address.lines().find_map(|line| line.split_once(" in ")?.1.strip_suffix("/postgres")).unwrap();
    assert!(!Path::new(folder).exists(), "{folder} is gone");
    assert!(!is_at_work(Path::new(folder)));
}

#[tokio::test]
async fn the_demo_for_people_ends_with_a_table_and_a_search_hit() {
    let output = drover(&["demo", "--files", "8", "--rows", "100", "--broken", "1"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["File validation", "File processing", "indexed_rows", "Search for needle", "/in/batch-000/orders-"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "it fits:\n{text}");
}

#[tokio::test]
async fn the_demo_of_videos_runs_twice_and_finds_what_it_made() {
    let output = drover(&["demo", "--workflow", "process_new_scenes", "--json"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    let videos = told["samples"]["videos"].as_array().unwrap().len();
    let [first, second] = [&told["runs"][0], &told["runs"][1]];
    assert_eq!((&first["status"], &second["status"]), (&json!("completed_with_errors"), &json!("completed")));
    assert_eq!(first["summary"]["total_scenes_analyzed"], videos, "{first}");
    assert_eq!((&first["summary"]["total_errors"], &second["summary"]["total_errors"]), (&json!(1), &json!(0)));
    let batch = &first["steps"]["previews"]["result"]["steps"]["scenes"][0]["result"];
    let thumbnail = batch["previews"][0]["thumbnail"].as_str().unwrap();
    assert!(thumbnail.starts_with("/files/media/") && thumbnail.ends_with("/thumbnail.jpg"), "{batch}");
    let address = stderr(&output);
    let folder = address.lines().find_map(|line| line.split_once(" in ")?.1.strip_suffix("/postgres")).unwrap();
    assert!(!Path::new(folder).parent().unwrap().exists(), "{folder} is gone");
    assert!(!is_at_work(Path::new(folder)));
}

#[tokio::test]
async fn without_ffmpeg_dev_starts_all_the_same_and_says_so() {
    let folder = folder();
    let nothing = [("DROVER_MEDIA_FFMPEG", "/nowhere/ffmpeg")];
    let mut dev = Dev::start_with(folder.path(), &nothing).await;
    assert_eq!(dev.told["workers"], json!(["drover-import-worker"]));
    let reason = dev.told["media"]["missing"].as_str().unwrap();
    assert!(reason.contains("/nowhere/ffmpeg") && reason.contains("apt-get install ffmpeg"), "{reason}");
    dev.process.signal(Signal::SIGTERM).unwrap();
    assert_eq!(dev.process.wait_for_exit(PATIENCE).await.unwrap().code(), Some(0));

    let mut dev = Dev::start(folder.path()).await;
    assert_eq!(dev.told["workers"], json!(["drover-import-worker", "drover-media-worker"]));
    let downloads = dev.told["media"]["downloads"].as_str().unwrap();
    assert!(Path::new(downloads).starts_with(folder.path().canonicalize().unwrap()) && Path::new(downloads).is_dir());
    let job = dev.ask(&["submit", "process_new_scenes", "--wait"]);
    assert_eq!(job["status"], "completed", "an empty folder: {job}");
    dev.process.signal(Signal::SIGTERM).unwrap();
    assert_eq!(dev.process.wait_for_exit(PATIENCE).await.unwrap().code(), Some(0));
    assert!(!is_at_work(folder.path()));

    let output = drover(&["demo", "--workflow", "process_new_scenes"], &nothing);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("apt-get install ffmpeg"), "{}", stderr(&output));
    let output = drover(&["demo", "--workflow", "process_new_scenes", "--rows", "5"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--rows is for --workflow data_import"), "{}", stderr(&output));
}

#[tokio::test]
async fn the_demo_runs_over_rabbitmq_as_well() {
    let vhost = Vhost::create().await.unwrap();
    let output =
        drover(&["demo", "--json", "--files", "20", "--rows", "500", "--broken", "2", "--amqp-url", vhost.url()], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let result: Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    assert_eq!(result["summary"]["indexed_rows"], 500);
    let password = servers().await.unwrap().amqp_url.password().unwrap().to_owned();
    assert!(stderr(&output).contains("amqp://") && !stderr(&output).contains(&password), "{}", stderr(&output));
}

#[tokio::test]
async fn dev_killed_in_the_middle_of_an_import_finishes_it_after_the_next_start() {
    let (folder, data) = (folder(), tempfile::tempdir().unwrap());
    let manifest = generate(&data.path().join("in"), "120", "150000");
    let mut dev = Dev::start(folder.path()).await;
    let import_path = format!("import_path={}", data.path().join("in").display());
    let submitted = dev.ask(&["submit", "data_import", "--param", &import_path]);
    let id = submitted["id"].as_str().unwrap();
    dev.until(id, "batches to run", |job| {
        let step = &job["metadata"]["steps"][1];
        step["running"].as_u64() > Some(0) && step["done"].as_u64() > Some(0)
    })
    .await;
    dev.process.kill().unwrap();
    until_nothing_is_at_work(folder.path()).await;

    let dev = Dev::start(folder.path()).await;
    let job = dev.until(id, "the import to end", |job| job["finished_at"].is_string()).await;
    assert_eq!(job["status"], "completed", "{job}");
    let summary = &job["result"]["summary"];
    for (found, expected) in
        [("total_files", "files"), ("valid_files", "valid_files"), ("total_rows", "rows"), ("indexed_rows", "rows")]
    {
        assert_eq!(summary[found], manifest[expected], "{found}: {summary}");
    }
}

#[tokio::test]
async fn dev_ends_in_good_order_and_keeps_its_data() {
    let folder = folder();
    let mut dev = Dev::start(folder.path()).await;
    let submitted = dev.ask(&["submit", "validate_import", "--param", "import_path=/nowhere"]);
    let id = submitted["id"].as_str().unwrap().to_owned();
    dev.until(&id, "it to fail", |job| job["status"] == "failed").await;
    let mine = folder.path().join("mine.yaml");
    fs::write(&mine, "name: data_import\ntitle: My own import\nsteps: [{ key: only, job: validate_import }]\n")
        .unwrap();
    dev.ask(&["apply", mine.to_str().unwrap()]);
    dev.process.signal(Signal::SIGTERM).unwrap();
    assert_eq!(dev.process.wait_for_exit(PATIENCE).await.unwrap().code(), Some(0));
    assert!(!is_at_work(folder.path()), "its server ended before it did");
    let dev = Dev::start(folder.path()).await;
    assert_eq!(dev.ask(&["show", &id])["status"], "failed");
    assert_eq!(dev.ask(&["definitions", "data_import"])["title"], "My own import", "what somebody registered stays");
}

#[tokio::test]
async fn what_keeps_dev_from_starting_is_told_with_the_way_out() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    let dev = Dev::start(folder.path()).await;
    let output = drover(&["dev", "--port", "0", "--data-dir", path], &[]);
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains("in use by process") && stderr(&output).contains("--data-dir"),
        "{}",
        stderr(&output)
    );

    let port = dev.url.rsplit_once(':').unwrap().1;
    let other = tempfile::tempdir().unwrap();
    let other = other.path().to_str().unwrap();
    let output = drover(&["dev", "--port", port, "--data-dir", other], &[]);
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains(&format!("127.0.0.1:{port}")) && stderr(&output).contains("--port 0"),
        "{}",
        stderr(&output)
    );

    let nothing = [("DROVER_POSTGRES_BIN", "/nowhere")];
    let output = drover(&["dev", "--port", "0", "--data-dir", other], &nothing);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("no Postgres server is installed"), "{}", stderr(&output));
    assert!(stderr(&output).contains("install"), "{}", stderr(&output));

    let output = drover(&["demo", "--files", "2", "--broken", "3"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--broken"), "{}", stderr(&output));
}
