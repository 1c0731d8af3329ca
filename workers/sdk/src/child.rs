//! Child processes of a job: each leads a process group of its own, which ends with the job.

use std::{
    io,
    process::{ExitStatus, Output, Stdio},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    task::AbortHandle,
};

use crate::JobContext;

/// A child process of a job, with whatever it starts itself.
///
/// When the job is told to stop, the whole group gets SIGTERM, and has the grace period to end. When the handler returns or
/// is dropped, or this value is dropped, whatever is left of the group gets SIGKILL. A worker that is itself killed by
/// SIGKILL can do neither.
#[derive(Debug)]
pub struct JobChild {
    child: Child,
    group: Group,
    /// Where to write its input, if that was to be a pipe.
    pub stdin: Option<ChildStdin>,
    /// Where to read its output, if that was to be a pipe.
    pub stdout: Option<ChildStdout>,
    /// Where to read its errors, if that was to be a pipe.
    pub stderr: Option<ChildStderr>,
}

/// The group of a child that was not waited for yet: until then its number belongs to nobody else.
#[derive(Debug)]
struct Group {
    leader: Option<Pid>,
    /// Asks the group to end when the job should stop.
    asks: AbortHandle,
}

impl JobContext {
    /// Starts a program for this job, in a process group of its own. See [`JobChild`].
    ///
    /// ```no_run
    /// # async fn thumbnail(ctx: &drover_worker::JobContext) -> std::io::Result<()> {
    /// let mut ffmpeg = tokio::process::Command::new("ffmpeg");
    /// let status = ctx.spawn(ffmpeg.args(["-i", "in.mp4", "out.jpg"]))?.wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(&self, command: &mut Command) -> io::Result<JobChild> {
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let ctx = self.clone();
        let asks = tokio::spawn(async move {
            ctx.cancelled().await;
            if let Some(leader) = leader {
                signal(leader, Signal::SIGTERM);
            }
        });
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let group = Group { leader, asks: asks.abort_handle() };
        Ok(JobChild { child, group, stdin, stdout, stderr })
    }

    /// Runs a program for this job to its end and gives what it wrote, without input. See [`JobChild`].
    ///
    /// # Errors
    /// When it cannot be started or read, or writes more than `limit_bytes` to its output or to its errors.
    pub async fn output(&self, command: &mut Command, limit_bytes: u64) -> io::Result<Output> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(command)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (status, stdout, stderr) =
            tokio::try_join!(child.wait(), read(stdout, limit_bytes), read(stderr, limit_bytes))?;
        Ok(Output { status, stdout, stderr })
    }
}

impl JobChild {
    /// Waits until the program has ended; what it left running is killed. Cancel-safe.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        // A program that waits for the end of its input must not be waited for.
        drop(self.stdin.take());
        let status = self.child.wait().await;
        self.group.end();
        status
    }

    /// The program's process id, which is its group's too; `None` once it was waited for.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }
}

impl Group {
    fn end(&mut self) {
        self.asks.abort();
        if let Some(leader) = self.leader.take() {
            signal(leader, Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

fn signal(group: Pid, signal: Signal) {
    match killpg(group, signal) {
        // Nobody is left.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!(%group, %signal, %error, "the processes of a job cannot be told to end"),
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let Some(pipe) = pipe else { return Ok(text) };
    pipe.take(limit_bytes.saturating_add(1)).read_to_end(&mut text).await?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limit_bytes {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it wrote more than {limit_bytes} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{
        Job, JobFailure, Outcome,
        testing::{Moment, TestCase},
    };

    /// Runs a shell script, and names its group when the script has written a line.
    struct Shell {
        /// Whether the handler waits for the end, whatever the script does.
        waits: bool,
    }

    #[async_trait]
    impl Job for Shell {
        const TYPE: &'static str = "shell";
        const TITLE: &'static str = "Shell";
        type Params = String;
        type Result = Option<i32>;

        async fn run(&self, ctx: &JobContext, script: String) -> Result<Outcome<Option<i32>>, JobFailure> {
            let mut command = Command::new("sh");
            let mut child = ctx.spawn(command.args(["-c", &script]).stdout(Stdio::piped()))?;
            let mut line = [0];
            child.stdout.as_mut().unwrap().read_exact(&mut line).await?;
            ctx.message(child.id().unwrap().to_string());
            if self.waits { Ok(child.wait().await?.code().into()) } else { Ok(None.into()) }
        }
    }

    /// Runs the script, cancels the job when it has written a line if so wanted, and gives the group with the result.
    async fn run(shell: Shell, script: &str, cancelled: bool) -> (Pid, Option<Option<i32>>) {
        let said = move |moment: Moment<'_>| cancelled && matches!(moment, Moment::Progress(_));
        let run = TestCase::new(shell).grace(Duration::from_millis(300)).cancel_when(said).run(script).await;
        let group = run.progress[0].message.clone().unwrap().parse().unwrap();
        (Pid::from_raw(group), run.result())
    }

    /// Waits until no process of the group is left.
    async fn is_gone(group: Pid) -> bool {
        let began = Instant::now();
        while killpg(group, None) != Err(Errno::ESRCH) {
            if began.elapsed() > Duration::from_secs(10) {
                return false;
            }
            sleep(Duration::from_millis(5)).await;
        }
        true
    }

    #[tokio::test]
    async fn a_cancel_asks_the_whole_group_to_end() {
        let script = "trap 'exit 7' TERM; sleep 1000 & echo; while :; do wait; done";
        let (group, code) = run(Shell { waits: true }, script, true).await;
        assert_eq!(code, Some(Some(7)), "it ended by itself, with a last word");
        assert!(is_gone(group).await);
    }

    #[tokio::test]
    async fn a_group_that_does_not_end_is_killed_with_its_handler() {
        let script = "trap '' TERM; (while :; do sleep 1000; done) & echo; while :; do sleep 1000; done";
        let (group, code) = run(Shell { waits: true }, script, true).await;
        assert_eq!(code, None, "the handler was dropped");
        assert!(is_gone(group).await);
    }

    #[tokio::test]
    async fn nothing_is_left_when_the_program_or_the_handler_ends() {
        let (group, code) = run(Shell { waits: true }, "sleep 1000 & echo", false).await;
        assert_eq!(code, Some(Some(0)));
        assert!(is_gone(group).await, "what the program left running");
        let (group, _) = run(Shell { waits: false }, "echo; sleep 1000", false).await;
        assert!(is_gone(group).await, "what the handler did not wait for");
    }

    #[tokio::test]
    async fn output_is_read_up_to_its_limit() {
        struct Echo;
        #[async_trait]
        impl Job for Echo {
            const TYPE: &'static str = "echo";
            const TITLE: &'static str = "Echo";
            type Params = ();
            type Result = String;

            async fn run(&self, ctx: &JobContext, (): ()) -> Result<Outcome<String>, JobFailure> {
                let output = ctx.output(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]), 4).await?;
                assert_eq!(
                    (output.status.code(), &*output.stdout, &*output.stderr),
                    (Some(3), &b"out\n"[..], &b"err\n"[..])
                );
                let more = ctx.output(Command::new("sh").args(["-c", "yes"]), 1_000).await;
                Ok(more.unwrap_err().to_string().into())
            }
        }
        let run = TestCase::new(Echo).run(()).await;
        assert_eq!(run.result::<String>().as_deref(), Some("it wrote more than 1000 bytes"), "{run:?}");
    }
}
