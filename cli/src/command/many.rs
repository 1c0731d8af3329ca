//! What is done to many at once: counted, asked for, done page by page with a bar, told in numbers.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{Context, again::again};
use crate::{
    api::Swept,
    cli::Consent,
    failure::{Exit, Failure},
    render::text::one_line,
};

/// Most refusals that are kept; of the others it is told how many there are.
const KEPT: usize = 1_000;
/// Most refusals that people are shown.
const SHOWN: usize = 20;

/// What is to be done.
pub(super) struct Errand {
    /// Where it is asked for.
    pub(super) path: &'static str,
    /// The request's body, without its cursor.
    pub(super) body: Value,
    /// The words for it.
    pub(super) words: Words,
}

/// What a person calls it.
#[derive(Clone, Copy)]
pub(super) struct Words {
    /// `Cancel`
    pub(super) act: &'static str,
    /// `cancelling`
    pub(super) done: &'static str,
    /// `job`
    pub(super) thing: &'static str,
}

impl Words {
    fn things(self, count: u64) -> String {
        format!("{count} {}{}", self.thing, if count == 1 { "" } else { "s" })
    }
}

/// What was done so far.
#[derive(Default)]
pub(super) struct Tally {
    matched: u64,
    done: u64,
    refused: Vec<Value>,
    refused_more: usize,
}

impl Tally {
    /// One more was done.
    pub(super) fn done(&mut self) {
        (self.matched, self.done) = (self.matched + 1, self.done + 1);
    }

    /// One more was refused.
    pub(super) fn refused(&mut self, id: impl Into<Value>, reason: impl Into<Value>) {
        self.add(Swept {
            matched: 1,
            done: 0,
            refused: vec![json!({ "id": id.into(), "reason": reason.into() })],
            next_cursor: None,
        });
    }

    fn add(&mut self, swept: Swept) {
        (self.matched, self.done) = (self.matched + swept.matched, self.done + swept.done);
        let room = KEPT - self.refused.len().min(KEPT);
        self.refused_more += swept.refused.len() - swept.refused.len().min(room);
        self.refused.extend(swept.refused.into_iter().take(room));
    }

    /// Tells what was done: numbers to standard output, refusals to standard error.
    pub(super) fn tell(&self, ctx: &Context, words: Words) -> Result<Exit, Failure> {
        if ctx.output.json {
            let mut answer = json!({ "matched": self.matched, "done": self.done, "refused": self.refused });
            if self.refused_more > 0 {
                answer["refused_not_listed"] = json!(self.refused_more);
            }
            ctx.output.json(&answer)?;
        } else {
            for entry in self.refused.iter().take(SHOWN) {
                let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), one_line);
                ctx.output.note(format_args!("{}: {}", text(&entry["id"]), text(&entry["reason"])));
            }
            let more = self.refused.len().saturating_sub(SHOWN) + self.refused_more;
            if more > 0 {
                ctx.output.note(format_args!("and {more} more were refused; --json lists them"));
            }
            ctx.output.line(format_args!("{} {} of {}", words.done, self.done, words.things(self.matched)))?;
        }
        Ok(if self.refused.is_empty() { Exit::Done } else { Exit::Refused })
    }
}

/// Counts, asks, does.
pub(super) async fn run(ctx: &Context, errand: &Errand, consent: Consent) -> Result<Exit, Failure> {
    let count = count(ctx, errand).await?;
    if consent.dry_run {
        if ctx.output.json {
            ctx.output.json(&json!({ "matched": count, "done": 0, "refused": [], "dry_run": true }))?;
        } else {
            ctx.output.line(format_args!("{} would be meant; nothing was done", errand.words.things(count)))?;
        }
        return Ok(Exit::Done);
    }
    if count == 0 {
        ctx.output.note(format_args!("no {}s match", errand.words.thing));
    } else if !consent.yes && !asked(errand.words, count)? {
        ctx.output.note("nothing was done");
        return Ok(Exit::Done);
    }
    let mut tally = Tally::default();
    if count > 0 {
        tokio::select! {
            done = go(ctx, errand, count, &mut tally) => if let Err(failure) = done {
                ctx.output.note(format_args!("stopped after {} of {count}", tally.matched));
                return Err(failure);
            },
            _ = tokio::signal::ctrl_c() => {
                tally.tell(ctx, errand.words)?;
                ctx.output.note("interrupted; the same command goes on with the rest");
                return Ok(Exit::Interrupted);
            }
        }
    }
    tally.tell(ctx, errand.words)
}

async fn count(ctx: &Context, errand: &Errand) -> Result<u64, Failure> {
    let mut body = errand.body.clone();
    body["dry_run"] = json!(true);
    let mut count = 0;
    loop {
        let page = ask(ctx, errand.path, &body).await?;
        count += page.matched;
        let Some(cursor) = page.next_cursor else { return Ok(count) };
        body["cursor"] = json!(cursor);
    }
}

async fn go(ctx: &Context, errand: &Errand, count: u64, tally: &mut Tally) -> Result<(), Failure> {
    let bar = bar(count);
    let mut body = errand.body.clone();
    loop {
        let mut page = ask(ctx, errand.path, &body).await?;
        let cursor = page.next_cursor.take();
        tally.add(page);
        bar.set_position(tally.matched);
        let Some(cursor) = cursor else { break };
        body["cursor"] = json!(cursor);
    }
    bar.finish_and_clear();
    Ok(())
}

/// A page that was done and could not be answered may be asked for again: what is done matches no more, or is done.
async fn ask(ctx: &Context, path: &str, body: &Value) -> Result<Swept, Failure> {
    again(ctx, async || Ok(ctx.client.post_json::<Swept>(path, body).await?.body)).await
}

/// On a terminal; elsewhere nothing is drawn.
fn bar(count: u64) -> ProgressBar {
    // The template is ours and has no fault to report.
    let style = ProgressStyle::with_template("{bar:40.cyan/dim} {pos}/{len}  {per_sec}  {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(count).with_style(style.progress_chars("█▉▊▋▌▍▎▏░"))
}

/// Asks whether it is meant, where somebody can answer.
fn asked(words: Words, count: u64) -> Result<bool, Failure> {
    let things = words.things(count);
    let act = words.act;
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::Usage(format!(
            "{things} match; add --yes to {} them, or --dry-run to count them only",
            act.to_lowercase()
        )));
    }
    let mut screen = io::stderr().lock();
    write!(screen, "{act} {things}? [y/N] ")?;
    screen.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_bounded_and_the_others_are_counted() {
        let mut tally = Tally::default();
        tally.done();
        for number in 0..KEPT + 7 {
            tally.refused(number, "no");
        }
        assert_eq!((tally.matched, tally.done), (u64::try_from(KEPT).unwrap_or(0) + 8, 1));
        assert_eq!((tally.refused.len(), tally.refused_more), (KEPT, 7));
    }
}
