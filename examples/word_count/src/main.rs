//! A worker with one job: it counts the words of a text file.

use std::{path::PathBuf, process::ExitCode};

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome, Worker};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

struct CountWords;

/// What the job is given. Its schema is announced: submissions are checked against it.
#[derive(Deserialize, JsonSchema)]
struct Params {
    /// The file, as the worker sees it.
    file: PathBuf,
}

/// What the job produces.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct Counted {
    lines: u64,
    words: u64,
}

#[async_trait]
impl Job for CountWords {
    const TYPE: &'static str = "count_words";
    const TITLE: &'static str = "Count words";
    const UNIT: Option<&'static str> = Some("lines");
    type Params = Params;
    type Result = Counted;

    async fn run(&self, ctx: &JobContext, params: Params) -> Result<Outcome<Counted>, JobFailure> {
        let text = tokio::fs::read_to_string(&params.file).await.map_err(|error| {
            JobFailure::permanent("io", format!("file: {} cannot be read: {error}", params.file.display()))
        })?;
        let total = u64::try_from(text.lines().count())?;
        let mut counted = Counted { lines: 0, words: 0 };
        for line in text.lines() {
            if ctx.is_cancelled() {
                return Err(JobFailure::cancelled().with_partial(counted));
            }
            counted.lines += 1;
            counted.words += u64::try_from(line.split_whitespace().count())?;
            ctx.processed(counted.lines, total);
        }
        Ok(counted.into())
    }
}

fn main() -> ExitCode {
    Worker::builder("word-count").version(env!("CARGO_PKG_VERSION")).job(CountWords).main()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_counts_without_a_server() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one two\nthree\n").unwrap();
        let params = serde_json::json!({ "file": file.path() });
        let run = drover_worker::testing::run(CountWords, params).await;
        let expected = serde_json::json!({ "lines": 2, "words": 3 });
        assert_eq!(run.result::<serde_json::Value>(), Some(expected), "{run:?}");
    }
}
