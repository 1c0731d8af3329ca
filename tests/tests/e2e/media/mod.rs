//! `process_new_scenes` on real videos: seven steps, three workers, a library with a schema of its own.

mod approvals;
mod bar;
mod cancels;
mod faults;
mod kills;
mod whole;

use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use drover_tests::{
    Fleet,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shapes::step;

const WORKER: &str = "drover-media-worker";
/// All steps, in their order.
const STEPS: [&str; 7] = ["downloads", "scan", "sync", "analysis", "previews", "final_sync", "complete"];
/// What a download that broke off is: a box that says it is long, and then nothing of it.
const DAMAGED: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\x10\0\0mdat and nothing more";

/// A library, a drop folder, and the fleet that works on them. What the workers take for ffmpeg and ffprobe are scripts of the
/// test, which become the real ones.
struct Library {
    // Ends before its folders go.
    fleet: Fleet,
    folder: TempDir,
}

impl Library {
    async fn new() -> Self {
        Self::with(&definition(), &[]).await
    }

    /// `environment` goes to every process.
    async fn with(definition: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["downloads", "library", "generated", "bin"] {
            fs::create_dir(folder.path().join(name)).expect("made");
        }
        let fleet = Fleet::start(1, environment).await.expect("the orchestrator starts");
        fleet.apply(definition).await.expect("the definition is valid");
        let mut library = Self { fleet, folder };
        for program in ["ffmpeg", "ffprobe"] {
            library.program(program, "");
        }
        let path = |name: &str| library.path(name).display().to_string();
        let url = library.fleet.database.url().to_owned();
        let environment = [
            ("DROVER_MEDIA_DATABASE_URL", url.as_str()),
            ("DROVER_MEDIA_DOWNLOADS", &path("downloads")),
            ("DROVER_MEDIA_LIBRARY", &path("library")),
            ("DROVER_MEDIA_GENERATED", &path("generated")),
            ("DROVER_MEDIA_FFMPEG", &path("bin/ffmpeg")),
            ("DROVER_MEDIA_FFPROBE", &path("bin/ffprobe")),
            // What runs at the same time runs in different processes.
            ("DROVER__WORKER__CONCURRENCY", "1"),
            ("DROVER__WORKER__GRACE_SECONDS", "2"),
        ];
        library.fleet.workers(WORKER, 3, &environment).await.expect("the workers start");
        library
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a program does before it becomes the real one.
    fn program(&self, name: &str, before: &str) {
        let draft = self.path("bin/draft");
        fs::write(&draft, format!("#!/bin/sh\n{before}\nexec {name} \"$@\"\n")).expect("written");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("set");
        fs::rename(draft, self.path("bin").join(name)).expect("renamed");
    }

    /// Puts a finished video into the drop folder.
    fn download(&self, name: &str, seconds: u32) {
        video(&self.path("downloads").join(name), name, seconds);
    }

    async fn submit(&self, params: Value) -> String {
        self.fleet.submit("process_new_scenes", params).await.expect("accepted")
    }

    async fn run(&self, params: Value) -> Value {
        self.fleet.run("process_new_scenes", params).await.expect("it ends")
    }

    /// The jobs of a type, of all runs, in the order in which they were made.
    async fn jobs(&self, job_type: &str) -> Vec<Value> {
        let path = format!("/api/v1/jobs?type={job_type}&parent=any&limit=500");
        let list = self.fleet.get(&path).await.expect("a list");
        let mut jobs = Vec::new();
        for job in list["jobs"].as_array().expect("jobs").iter().rev() {
            jobs.push(self.fleet.job(job["id"].as_str().expect("an id")).await.expect("there"));
        }
        jobs
    }

    /// The sum of a number in the results of the jobs of a type.
    async fn sum(&self, job_type: &str, field: &str) -> u64 {
        let jobs = self.jobs(job_type).await;
        jobs.iter().map(|job| job["result"][field].as_u64().unwrap_or_else(|| panic!("{field}: {job}"))).sum()
    }

    async fn number(&self, sql: &str) -> i64 {
        let client = self.fleet.database.connect().await.expect("a connection");
        client.query_one(sql, &[]).await.expect("a number").get(0)
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let client = self.fleet.database.connect().await.expect("a connection");
        client.query(sql, &[]).await.expect("texts").iter().map(|row| row.get(0)).collect()
    }

    /// The previews that are made, by the names of their files.
    fn previews(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for folder in fs::read_dir(self.path("generated")).expect("read").flatten() {
            if folder.file_type().is_ok_and(|kind| kind.is_dir()) {
                files.extend(fs::read_dir(folder.path()).expect("read").flatten().map(|file| file.path()));
            }
        }
        files.sort();
        files
    }

    /// The programs that run for this library: children of its workers, and whatever names a file of it. Each with the process
    /// id of its parent.
    fn programs(&self) -> Vec<(i32, String)> {
        let workers: Vec<i32> = self.fleet.workers.iter().map(|worker| worker.pid().as_raw()).collect();
        let folder = self.folder.path().to_str().expect("text");
        let program = |process: &Path| {
            let stat = fs::read_to_string(process.join("stat")).ok()?;
            // `PID (NAME) STATE PARENT …`
            let mut fields = stat.rsplit_once(") ")?.1.split(' ');
            let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
            let line = String::from_utf8_lossy(&fs::read(process.join("cmdline")).ok()?).replace('\0', " ");
            // A zombie has ended, and nobody has asked how.
            (state != "Z" && (workers.contains(&parent) || line.contains(folder))).then_some((parent, line))
        };
        let processes = fs::read_dir("/proc").expect("read").flatten();
        processes.filter_map(|process| program(&process.path())).collect()
    }

    /// Waits until a program runs whose command line has all of these words: its parent.
    async fn at_work(&self, words: &[&str]) -> i32 {
        wait::until(&format!("{words:?} to run"), PATIENCE, async || {
            let programs = self.programs();
            let found = programs.iter().find(|(_, line)| words.iter().all(|word| line.contains(word)));
            Ok(found.map_or_else(|| Seen::not_yet(format!("{programs:?}")), |(parent, _)| Seen::Yes(*parent)))
        })
        .await
        .expect("it runs")
    }

    /// Waits until no program runs.
    async fn at_rest(&self) {
        wait::until("the programs to end", Duration::from_secs(20), async || {
            let programs = self.programs();
            Ok(if programs.is_empty() { Seen::Yes(()) } else { Seen::not_yet(format!("{programs:?}")) })
        })
        .await
        .expect("they end");
    }

    /// Waits until a worker waits for a lock of the test's.
    async fn waits_for_a_lock(&self) {
        let client = self.fleet.database.connect().await.expect("a connection");
        wait::until("a worker to wait for a lock", PATIENCE, async || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'drover-media-worker'
                AND datname = current_database() AND wait_event_type = 'Lock'";
            let waiting: i64 = client.query_one(sql, &[]).await?.get(0);
            Ok(if waiting > 0 { Seen::Yes(()) } else { Seen::not_yet("nobody waits") })
        })
        .await
        .expect("it waits");
    }

    /// Asks for `pause` or `cancel` of a job: the answer's status.
    async fn ask(&self, id: &str, action: &str) -> u16 {
        let path = format!("/api/v1/jobs/{id}/{action}");
        self.fleet.request(Method::POST, &path, None).await.expect("answered").0
    }
}

fn definition() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflows/process_new_scenes.yaml");
    fs::read_to_string(path).expect("the definition is there")
}

/// The definition with a part of it exchanged.
fn definition_with(part: &str, other: &str) -> String {
    let text = definition();
    assert_eq!(text.matches(part).count(), 1, "{part:?} stands once in the definition");
    text.replace(part, other)
}

/// Makes a small video that has been left alone for an hour. Its title makes it another content than any other.
fn video(path: &Path, title: &str, seconds: u32) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let made = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=size=64x48:rate=5:duration={seconds}"))
        .args(["-c:v", "mpeg4", "-g", "5", "-metadata", &format!("title={title}"), "-f", "mp4", "-y"])
        .arg(format!("file:{}", path.display()))
        .status()
        .expect("ffmpeg runs");
    assert!(made.success(), "{}", path.display());
    age(path);
}

fn age(path: &Path) {
    let then = SystemTime::now() - Duration::from_secs(3_600);
    let file = File::options().write(true).open(path).expect("opened");
    file.set_times(FileTimes::new().set_modified(then)).expect("set");
}

/// Whether a step went well or had nothing to do.
fn went_well(job: &Value, key: &str) -> bool {
    ["completed", "skipped"].map(Value::from).contains(&step(job, key)["status"])
}

/// What a workflow's run came to, for one number after the other.
fn assert_summary(job: &Value, expected: &[(&str, u64)]) {
    for (key, value) in expected {
        assert_eq!(job["result"]["summary"][key], json!(value), "{key}: {job}");
    }
}
