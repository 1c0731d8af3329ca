//! The workspace's binaries as child processes.

use crate::binary::{binary, build_folder};
use crate::management::http_client;
use crate::spawn;
use crate::wait::{self, Seen};
use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, io, thread};

/// Enough to see what went wrong, little enough to read.
const LINES_SHOWN: usize = 300;

/// A running binary of the workspace. Killed when dropped, and with the test process however that ends. What it wrote
/// is printed when it is dropped: test runners show it for the tests that fail.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    silent: bool,
}

impl Process {
    /// Starts a binary of the workspace. Of the caller's environment it does not see the `DROVER_…` variables: the test
    /// gives it, in `configure`, what it is to know.
    ///
    /// # Errors
    /// It is not built, see [`binary`], or does not start.
    pub fn spawn(name: &str, configure: impl FnOnce(&mut Command)) -> anyhow::Result<Self> {
        Self::spawn_program(name, &binary(name)?, configure)
    }

    /// The same with any program, which logs and messages call `name`.
    ///
    /// # Errors
    /// It does not start.
    pub fn spawn_program(name: &str, program: &Path, configure: impl FnOnce(&mut Command)) -> anyhow::Result<Self> {
        let log = log_path(name)?;
        let output = File::create(&log)?;
        let mut command = spawn::dying_with_us(program);
        for (variable, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DROVER_")) {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        configure(&mut command);
        let child = spawn::from_lasting_thread(command).with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { name: name.to_owned(), child, log, silent: false })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// What it wrote so far, to stdout and stderr.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// All went well: what it wrote is not printed when it is dropped.
    pub const fn silence(&mut self) {
        self.silent = true;
    }

    /// Waits for a line that contains `text`, and returns it.
    ///
    /// # Errors
    /// The deadline passed, or the process ended without it.
    pub async fn wait_for_line(&mut self, text: &str, limit: Duration) -> anyhow::Result<String> {
        let what = format!("{} to write {text:?}", self.name);
        wait::until(&what, limit, async || {
            let status = self.child.try_wait()?; // before the look at the log, so that its last words are in it
            let log = self.log();
            match (log.lines().find(|line| line.contains(text)), status) {
                (Some(line), _) => Ok(Seen::Yes(line.to_owned())),
                (None, None) => Ok(Seen::not_yet(log.lines().last().unwrap_or("it wrote nothing"))),
                (None, Some(status)) => bail!("{} ended: {status}", self.name),
            }
        })
        .await
    }

    /// Waits until `GET url` is answered with success.
    ///
    /// # Errors
    /// The deadline passed, or the process ended.
    pub async fn wait_for_http(&mut self, url: &str, limit: Duration) -> anyhow::Result<()> {
        let client = http_client()?;
        wait::until(&format!("{} to answer {url}", self.name), limit, async || {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended: {status}", self.name);
            }
            Ok(match client.get(url).send().await {
                Ok(response) if response.status().is_success() => Seen::Yes(()),
                Ok(response) => Seen::not_yet(response.status()),
                Err(error) => Seen::not_yet(format!("{:#}", anyhow::Error::from(error))),
            })
        })
        .await
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// The deadline passed.
    pub async fn wait_for_exit(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        wait::until(&format!("{} to end", self.name), limit, async || {
            Ok(self.child.try_wait()?.map_or_else(|| Seen::not_yet("it runs"), Seen::Yes))
        })
        .await
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// SIGKILL; returns when it is gone.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// Sends a signal: SIGTERM to shut it down, SIGSTOP and SIGCONT to freeze and thaw it.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} has ended: {status}", self.name);
        }
        kill(self.pid(), signal).with_context(|| format!("sending {signal} to {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let end = self.kill().map_or_else(|error| error.to_string(), |status| status.to_string());
        if self.silent && !thread::panicking() {
            let _ = fs::remove_file(&self.log);
            return;
        }
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let hidden = lines.len().saturating_sub(LINES_SHOWN);
        eprintln!("--- {} ({end}), last {} of {} lines", self.name, lines.len() - hidden, lines.len());
        lines[hidden..].iter().for_each(|line| eprintln!("{line}"));
        if hidden > 0 && thread::panicking() {
            eprintln!("--- all of it: {}", self.log.display());
        } else {
            let _ = fs::remove_file(&self.log);
        }
    }
}

/// A port that is free now. Nothing keeps it so: prefer port 0 and the address that the process tells.
///
/// # Errors
/// The loopback address is not there.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn log_path(name: &str) -> anyhow::Result<PathBuf> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let folder = build_folder()?.join("test-logs");
    fs::create_dir_all(&folder)?;
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    Ok(folder.join(format!("{name}-{}-{number}.log", std::process::id())))
}

#[cfg(test)]
#[path = "process_test.rs"]
mod tests;
