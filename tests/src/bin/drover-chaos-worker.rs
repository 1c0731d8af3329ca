//! The worker of `drover-chaos`: its handlers do as a short script says, drawn from the seed, the job and the attempt, and
//! write down what they really did.
//!
//! `CHAOS_SEED`, `CHAOS_LEDGER` (a file) and `CHAOS_NAME` (what the worker is called in it) come by the environment.

use std::{
    env,
    fs::File,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use drover_simulation::Rng;
use drover_tests::ledger::{Deed, Line, now_ns};
use drover_worker::{Job, JobContext, JobError, JobFailure, Outcome, ProgressReport, Worker};
use serde_json::{Value, json};
use tokio::time::sleep;

fn main() -> ExitCode {
    let site = match Site::from_environment() {
        Ok(site) => site,
        Err(problem) => {
            eprintln!("drover-chaos-worker: {problem}");
            return ExitCode::from(2);
        }
    };
    // Both types write to the one file.
    let site: &'static Site = Box::leak(Box::new(site));
    let worker = Worker::builder("drover-chaos-worker").version(env!("CARGO_PKG_VERSION"));
    worker.job(Work(site)).job(Clean(site)).main()
}

/// Where this worker writes to, and what its scripts are drawn from.
struct Site {
    seed: u64,
    name: String,
    ledger: File,
    calls: AtomicU64,
}

impl Site {
    fn from_environment() -> Result<Self, String> {
        let variable = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
        let seed = variable("CHAOS_SEED")?.parse().map_err(|_| "CHAOS_SEED is no number".to_owned())?;
        let path = variable("CHAOS_LEDGER")?;
        let ledger =
            File::options().create(true).append(true).open(&path).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self { seed, name: variable("CHAOS_NAME")?, ledger, calls: AtomicU64::new(0) })
    }
}

struct Work(&'static Site);

#[async_trait]
impl Job for Work {
    const TYPE: &'static str = "work";
    const TITLE: &'static str = "Work";
    type Params = Value;
    type Result = Value;

    async fn run(&self, ctx: &JobContext, _params: Value) -> Result<Outcome<Value>, JobFailure> {
        Call::begin(self.0, ctx)?.play(ctx, Pace::Any).await
    }
}

struct Clean(&'static Site);

#[async_trait]
impl Job for Clean {
    const TYPE: &'static str = "clean";
    const TITLE: &'static str = "Clean up";
    const CONCURRENCY: Option<u32> = Some(3);
    type Params = Value;
    type Result = Value;

    async fn run(&self, ctx: &JobContext, _params: Value) -> Result<Outcome<Value>, JobFailure> {
        Call::begin(self.0, ctx)?.play(ctx, Pace::Quick).await
    }
}

/// One run of a handler, as the ledger tells it.
struct Call {
    site: &'static Site,
    line: Line,
    rng: Rng,
    returned: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Pace {
    Any,
    Quick,
}

/// One thing that a handler does.
enum Act {
    Percent(u32),
    /// Sends so many values of its list.
    Items(u64),
    /// Takes its whole process with it.
    Abort,
}

impl Call {
    fn begin(site: &'static Site, ctx: &JobContext) -> Result<Self, JobFailure> {
        let number = site.calls.fetch_add(1, Ordering::Relaxed);
        let job = ctx.job_id().0;
        let own = u64::try_from(job.as_u128() & u128::from(u64::MAX)).unwrap_or(0);
        let rng = Rng::new(site.seed ^ own).apart(u64::from(ctx.attempt()));
        let line = Line {
            at_ns: now_ns(),
            deed: Deed::Begin,
            job,
            attempt: ctx.attempt(),
            dispatch: ctx.dispatch(),
            call: format!("{}/{}/{number}", site.name, std::process::id()),
        };
        line.append(&site.ledger)?;
        Ok(Self { site, line, rng, returned: false })
    }

    fn note(&self, deed: Deed) -> std::io::Result<()> {
        Line { at_ns: now_ns(), deed, ..self.line.clone() }.append(&self.site.ledger)
    }

    /// The last line of the call. What happens after it is Drover's.
    fn end(&mut self, deed: Deed) -> std::io::Result<()> {
        self.returned = true;
        self.note(deed)
    }

    async fn play(mut self, ctx: &JobContext, pace: Pace) -> Result<Outcome<Value>, JobFailure> {
        let slow = self.longest(pace);
        let stubborn = self.rng.one_in(12);
        let mut percent = 0;
        for _ in 0..self.rng.below(4) {
            if self.waits(ctx, slow, stubborn).await {
                return self.stop().await;
            }
            match self.act(&mut percent) {
                Act::Percent(percent) => ctx.progress(ProgressReport {
                    percent: Some(f64::from(percent)),
                    message: Some(format!("{percent} of 100")),
                    ..ProgressReport::default()
                }),
                Act::Items(count) => ctx.items("list", 0..count).await?,
                Act::Abort => std::process::abort(),
            }
        }
        if self.waits(ctx, slow, stubborn).await {
            return self.stop().await;
        }
        self.finish()
    }

    /// The longest pause between two deeds.
    fn longest(&mut self, pace: Pace) -> Duration {
        let millis = match self.rng.below(120) {
            _ if pace == Pace::Quick => 40,
            0 => 6_000,
            1..6 => 1_500,
            6..40 => 400,
            _ => 40,
        };
        Duration::from_millis(millis)
    }

    fn act(&mut self, percent: &mut u32) -> Act {
        if self.rng.one_in(400) {
            return Act::Abort;
        }
        if self.rng.one_in(4) {
            return Act::Items(self.rng.between(1, 4));
        }
        *percent = (*percent + u32::try_from(self.rng.below(40)).unwrap_or(0)).min(100);
        Act::Percent(*percent)
    }

    /// Waits for a part of the time. Whether it is to stop.
    async fn waits(&mut self, ctx: &JobContext, longest: Duration, stubborn: bool) -> bool {
        let pause = longest.mul_f64(f64::from(u32::try_from(self.rng.between(1, 100)).unwrap_or(0)) / 100.0);
        if stubborn {
            sleep(pause).await;
            return false;
        }
        tokio::select! {
            () = sleep(pause) => ctx.is_cancelled(),
            () = ctx.cancelled() => true,
        }
    }

    /// It was told to stop, and takes a while.
    async fn stop(mut self) -> Result<Outcome<Value>, JobFailure> {
        self.note(Deed::Told)?;
        sleep(Duration::from_millis(self.rng.below(300))).await;
        self.end(Deed::Stopped)?;
        Err(JobFailure::cancelled().with_partial(self.partial()))
    }

    fn finish(mut self) -> Result<Outcome<Value>, JobFailure> {
        let end = self.rng.below(60);
        if end < 10 {
            self.end(Deed::Failed)?;
            let failure = if end < 8 {
                JobFailure::retryable("told", "the script says so")
            } else {
                JobFailure::permanent("told", "the script says so")
            };
            return Err(failure.with_partial(self.partial()));
        }
        assert!(end != 10, "the script says so");
        self.note(Deed::Effect)?;
        self.end(Deed::Completed)?;
        let inline: Vec<u64> = (0..self.rng.below(4)).collect();
        let result = json!({ "call": self.line.call, "n": 1, "list": inline, "flag": self.rng.one_in(7) });
        Ok(match end {
            11..15 => Outcome::CompletedWithErrors(result, vec![JobError::permanent("told", "a part failed as told")]),
            _ => result.into(),
        })
    }

    fn partial(&self) -> Value {
        json!({ "call": self.line.call })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.returned {
            // Nobody is left to be told of a failure to write.
            let _ = self.note(Deed::Dropped);
        }
    }
}
