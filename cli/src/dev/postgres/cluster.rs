//! The folder of a private server: its data, its log, its password.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use super::{
    PostgresError,
    find::{self, Binaries},
    owner::Owner,
};

/// The database's superuser. It is private, and so is the database `postgres` that comes with it.
pub(super) const USER: &str = "drover";
/// How long the server of a process that was killed may take to follow it.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of the log that an error shows.
const LINES_SHOWN: usize = 15;

/// A folder with data that a server can be started on.
pub(super) struct Cluster {
    pub(super) binaries: Binaries,
    pub(super) owner: Owner,
    /// The owner's.
    root: PathBuf,
    /// Ours.
    password_file: PathBuf,
}

impl Cluster {
    /// The cluster in a folder; it is made where there is none.
    pub(super) fn open(folder: &Path) -> Result<Self, PostgresError> {
        let (root, password_file) = (folder.join("postgres"), folder.join("postgres.password"));
        let owner = Owner::choose()?;
        let binaries = choose(&root.join("data"))?;
        let cluster = Self { binaries, owner, root, password_file };
        if !cluster.root.is_dir() {
            DirBuilder::new().mode(0o700).create(&cluster.root).map_err(PostgresError::io(&cluster.root))?;
        }
        cluster.owner.give(&cluster.root)?;
        cluster.owner.check(&cluster.root)?;
        if cluster.data().join("PG_VERSION").is_file() && cluster.password().is_ok() {
            cluster.wait_for_earlier_server()?;
        } else {
            cluster.init()?;
        }
        Ok(cluster)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(super) fn password(&self) -> Result<String, PostgresError> {
        let password = fs::read_to_string(&self.password_file).map_err(PostgresError::io(&self.password_file))?;
        if password.is_empty() {
            let empty = std::io::Error::new(std::io::ErrorKind::InvalidData, "it is empty");
            return Err(PostgresError::io(&self.password_file)(empty));
        }
        Ok(password)
    }

    /// The last lines of the log.
    pub(super) fn last_words(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }

    /// Makes the data, whole or not at all: what a killed run began is thrown away.
    fn init(&self) -> Result<(), PostgresError> {
        let (begun, key) = (self.root.join("data.begun"), self.root.join("password"));
        for leftover in [&begun, &self.data()] {
            if leftover.exists() {
                fs::remove_dir_all(leftover).map_err(PostgresError::io(leftover))?;
            }
        }
        let password = uuid::Uuid::new_v4().simple().to_string();
        write_secret(&self.password_file, &password)?;
        write_secret(&key, &password)?;
        self.owner.give(&key)?;
        self.run("initdb", |command| {
            command.arg("--pgdata").arg(&begun).arg("--username").arg(USER).arg("--pwfile").arg(&key);
            command.args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions"]);
        })?;
        fs::remove_file(&key).map_err(PostgresError::io(&key))?;
        fs::rename(&begun, self.data()).map_err(PostgresError::io(self.data()))
    }

    /// The server of a process that was killed ends a moment later. One that does not is stopped.
    fn wait_for_earlier_server(&self) -> Result<(), PostgresError> {
        let deadline = Instant::now() + FOLLOWS_WITHIN;
        let runs = || self.control(&["status"]).is_ok_and(|output| output.status.success());
        while runs() {
            if Instant::now() > deadline {
                return self.run("pg_ctl", |command| {
                    command.arg("--pgdata").arg(self.data()).args(["--wait", "--mode=fast", "stop"]);
                });
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn control(&self, words: &[&str]) -> std::io::Result<Output> {
        let mut command = self.owner.command(self.binaries.program("pg_ctl"));
        command.arg("--pgdata").arg(self.data()).args(words).current_dir("/").stdin(Stdio::null()).output()
    }

    fn run(&self, name: &'static str, arguments: impl FnOnce(&mut std::process::Command)) -> Result<(), PostgresError> {
        let program = self.binaries.program(name);
        let mut command = self.owner.command(&program);
        arguments(&mut command);
        let output = command.current_dir("/").stdin(Stdio::null()).output().map_err(PostgresError::io(program))?;
        if output.status.success() {
            return Ok(());
        }
        Err(PostgresError::Program { program: name, words: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
    }
}

/// The newest server, or for data that are there the one of their version.
fn choose(data: &Path) -> Result<Binaries, PostgresError> {
    let mut all = find::all();
    let Ok(wanted) = fs::read_to_string(data.join("PG_VERSION")) else {
        return all.into_iter().next().ok_or(PostgresError::NotInstalled);
    };
    let wanted = wanted.trim();
    let installed = all.iter().map(Binaries::major).collect::<Vec<_>>().join(", ");
    match all.iter().position(|binaries| binaries.major() == wanted) {
        Some(index) => Ok(all.swap_remove(index)),
        None if all.is_empty() => Err(PostgresError::NotInstalled),
        None => Err(PostgresError::OtherVersion { folder: data.into(), wanted: wanted.into(), installed }),
    }
}

fn write_secret(path: &Path, secret: &str) -> Result<(), PostgresError> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(secret.as_bytes())).map_err(PostgresError::io(path))
}
