//! One run of a program.

use std::{ffi::OsString, future::Future, io, process::Stdio, time::Duration};

use drover_worker::JobContext;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::Command,
    time::{sleep, timeout},
};

use super::{Program, ToolError, Tools, error::write_error};
use crate::{
    limits::{CANCEL, LINE_BYTES, OUTPUT_BYTES, PROBE, STDERR_BYTES},
    text,
};

impl Tools {
    /// Runs a program to its end, and hands over its output line by line as it comes.
    pub(super) async fn run(
        &self,
        ctx: &JobContext,
        program: Program,
        arguments: impl IntoIterator<Item = OsString> + Send,
        on_line: impl FnMut(&str) + Send,
    ) -> Result<(), ToolError> {
        let path = self.path(program);
        let mut command = Command::new(path);
        command.args(arguments).env("AV_LOG_FORCE_NOCOLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = ctx.spawn(&mut command).map_err(|source| ToolError::missing(program, path, source))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let limit = if program == Program::Ffprobe { PROBE } else { self.limit };
        let work = async { tokio::try_join!(child.wait(), each_line(stdout, on_line), tail(stderr)) };
        // Whatever is left of it dies with `child`.
        let ended = bounded(ctx, program, limit, work).await?;
        let (status, (), last_words) = ended.map_err(|source| ToolError::Io { program: program.as_str(), source })?;
        let (name, last_words) = (program.as_str(), String::from_utf8_lossy(&last_words));
        if status.success() {
            let Some(line) = write_error(&last_words) else { return Ok(()) };
            return Err(ToolError::Failed { program: name, status, last_line: text::quotable(line, 300) });
        }
        if ctx.is_cancelled() {
            return Err(ToolError::Cancelled);
        }
        // A full disk says so first, and ends with what followed from it.
        let last_line =
            write_error(&last_words).map_or_else(|| last_line(&last_words), |line| text::quotable(line, 300));
        Err(ToolError::Failed { program: name, status, last_line })
    }

    /// Runs a program to its end, and gives its output.
    pub(super) async fn output(
        &self,
        ctx: &JobContext,
        program: Program,
        arguments: impl IntoIterator<Item = OsString> + Send,
    ) -> Result<String, ToolError> {
        let mut output = String::new();
        let keep = |line: &str| {
            if output.len() <= OUTPUT_BYTES {
                output.push_str(line);
                output.push('\n');
            }
        };
        self.run(ctx, program, arguments, keep).await?;
        if output.len() > OUTPUT_BYTES {
            let what = format!("it wrote more than {OUTPUT_BYTES} bytes");
            return Err(ToolError::Output { program: program.as_str(), what });
        }
        Ok(output)
    }
}

/// The work, unless it takes too long, or does not end soon after a cancel, which has told the program to end.
async fn bounded<T>(
    ctx: &JobContext,
    program: Program,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, ToolError> {
    let cancelled = async {
        ctx.cancelled().await;
        sleep(CANCEL).await;
    };
    tokio::select! {
        done = timeout(limit, work) => {
            done.map_err(|_| ToolError::Slow { program: program.as_str(), seconds: limit.as_secs() })
        }
        () = cancelled => Err(ToolError::Cancelled),
    }
}

/// Calls with each line; of one that is too long, with its beginning.
async fn each_line(pipe: Option<impl AsyncRead + Unpin>, mut on_line: impl FnMut(&str)) -> io::Result<()> {
    let Some(pipe) = pipe else { return Ok(()) };
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        let read = pipe.fill_buf().await?;
        if read.is_empty() {
            break;
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let part = &read[..end.unwrap_or(read.len())];
        let room = LINE_BYTES.saturating_sub(line.len()).min(part.len());
        line.extend_from_slice(&part[..room]);
        let used = part.len() + usize::from(end.is_some());
        pipe.consume(used);
        if end.is_some() {
            on_line(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    if !line.is_empty() {
        on_line(&String::from_utf8_lossy(&line));
    }
    Ok(())
}

/// The end of what a program wrote.
async fn tail(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let Some(mut pipe) = pipe else { return Ok(Vec::new()) };
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = pipe.read(&mut buffer).await?;
        if read == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(&buffer[..read]);
        if kept.len() > STDERR_BYTES {
            kept.drain(..kept.len() - STDERR_BYTES);
        }
    }
}

fn last_line(words: &str) -> String {
    let last = words.lines().rev().map(str::trim).find(|line| !line.is_empty());
    text::quotable(last.unwrap_or("it gave no reason"), 300)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_or_cut_and_the_end_of_many_words_is_kept() {
        let text = format!("one\n{}\n\nlast", "x".repeat(3 * LINE_BYTES));
        let mut lines = Vec::new();
        each_line(Some(text.as_bytes()), |line| lines.push(line.to_owned())).await.unwrap();
        assert_eq!(lines, ["one", &"x".repeat(LINE_BYTES), "", "last"]);

        let words = format!("{}\nthe reason\n\n", "y".repeat(2 * STDERR_BYTES));
        let kept = tail(Some(words.as_bytes())).await.unwrap();
        assert_eq!((kept.len(), last_line(&String::from_utf8_lossy(&kept)).as_str()), (STDERR_BYTES, "the reason"));
        assert_eq!(last_line(" \n"), "it gave no reason");
    }
}
