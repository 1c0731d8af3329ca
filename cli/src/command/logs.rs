//! `drover logs`

use std::time::Duration;

use drover_protocol::JobId;
use serde_json::Value;
use tokio::time::sleep;

use super::{Context, again::patiently};
use crate::{
    api::{JobView, Logs},
    cli,
    failure::{Exit, Failure},
    render::log,
};

/// Lines of one question.
const PAGE: usize = 1_000;
/// How long to wait for new lines.
const PAUSE: Duration = Duration::from_secs(1);
/// How many empty answers after the job's end are believed: log lines travel apart from the job's end.
const EMPTY_ANSWERS: u32 = 2;

pub(crate) async fn run(ctx: &Context, args: &cli::Logs) -> Result<Exit, Failure> {
    let mut reader = Reader { ctx, id: args.job.id, level: args.level.map(level), after: None, all: Vec::new() };
    if args.follow {
        reader.follow().await?;
        return Ok(Exit::Done);
    }
    while reader.page(ctx.output.json).await?.more {}
    if ctx.output.json {
        ctx.output.json(&serde_json::json!({ "logs": reader.all }))?;
    }
    Ok(Exit::Done)
}

const fn level(level: cli::Level) -> &'static str {
    match level {
        cli::Level::Trace => "trace",
        cli::Level::Debug => "debug",
        cli::Level::Info => "info",
        cli::Level::Warn => "warn",
        cli::Level::Error => "error",
    }
}

struct Reader<'a> {
    ctx: &'a Context,
    id: JobId,
    level: Option<&'static str>,
    after: Option<String>,
    /// What was read, where one JSON value is to be written.
    all: Vec<Value>,
}

impl Reader<'_> {
    /// Prints (or keeps) the next page.
    async fn page(&mut self, keep: bool) -> Result<Page, Failure> {
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(self.level.map(|level| ("level", level.to_owned())));
        query.extend(self.after.iter().map(|after| ("after", after.clone())));
        let mut page = self.ctx.client.get::<Logs>(&format!("/jobs/{}/logs", self.id), &query).await?;
        if page.body.expired > 0 {
            let words = "older lines were deleted: they were too old, or all together too many ([logs])";
            self.ctx.output.note(format_args!("{} {words}", page.body.expired));
        }
        self.after = super::history::next(page.body.next_after.as_ref()).or(self.after.take());
        let raw = page.raw["logs"].as_array_mut().map(std::mem::take).unwrap_or_default();
        for (line, raw) in page.body.logs.iter().zip(raw) {
            if keep {
                self.all.push(raw);
            } else if self.ctx.output.json {
                self.ctx.output.json_line(&raw)?;
            } else {
                self.ctx.output.line(log::line(line, self.id))?;
            }
        }
        Ok(Page { lines: page.body.logs.len(), more: page.body.more })
    }

    async fn follow(&mut self) -> Result<(), Failure> {
        let (mut empty, mut step) = (0, self.step().await?);
        loop {
            match step {
                Step::More => empty = 0,
                Step::Waiting => {}
                Step::Ended => empty += 1,
            }
            if empty > EMPTY_ANSWERS {
                return Ok(());
            }
            sleep(PAUSE).await;
            step = patiently(async || self.step().await).await?;
        }
    }

    async fn step(&mut self) -> Result<Step, Failure> {
        // Asked before the lines: what an ended job has written is on its way.
        let ended = self.ctx.client.job::<JobView>(self.id).await?.body.status.is_terminal();
        let mut lines = 0;
        loop {
            let page = self.page(false).await?;
            lines += page.lines;
            if !page.more {
                break;
            }
        }
        Ok(match (lines, ended) {
            (1.., _) => Step::More,
            (0, true) => Step::Ended,
            (0, false) => Step::Waiting,
        })
    }
}

/// What a page had.
struct Page {
    lines: usize,
    /// Whether another comes after it.
    more: bool,
}

enum Step {
    More,
    Waiting,
    Ended,
}
