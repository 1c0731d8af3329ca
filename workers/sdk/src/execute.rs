//! Runs one handler: until it returns, panics, or was told to stop and did not.

use std::{future::Future, sync::Arc, time::Duration};

use drover_protocol::{JobEventKind, LogLevel};
use serde_json::Value;
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    JobContext, ending,
    ending::Returned,
    panics::{self, Caught},
    registry::AnyJob,
    state::{JobState, Stop},
};

/// A handler that still runs so long after it was dropped has no next `await`: it blocks its thread.
const UNRESPONSIVE: Duration = Duration::from_secs(1);
/// What people read of it.
const BLOCKS: &str = "it was told to stop and does not: it blocks its thread, which nobody can end but the job itself";

/// Runs the job's handler and says what is to be reported of its end. `None`: nothing is. It is over when nothing of the job
/// runs any more, blocking work included; whoever does not stop in time is reported, and waited for.
///
/// Call it inside the job's span.
pub(crate) async fn execute(
    job: Arc<dyn AnyJob>,
    state: &Arc<JobState>,
    params: Value,
    grace: Duration,
    handlers: &Handle,
) -> Option<JobEventKind> {
    let returned = if state.token.is_cancelled() {
        // The reason to stop came between the permit and here.
        Returned::Dropped
    } else {
        let give_up = CancellationToken::new();
        let handler = handlers.spawn(handle(job, Arc::clone(state), params, give_up.clone()).in_current_span());
        supervise(handler, state, grace, &give_up).await
    };
    state.end();
    if !crate::logs::report_left_out(state) {
        tracing::warn!("the job's log does not say how many of its lines are missing: too much waits to be sent");
    }
    ending::of(returned, state.stop_reason(), state.ran())
}

/// The handler, in a task of its own: one that blocks must not keep its supervisor from saying so.
async fn handle(job: Arc<dyn AnyJob>, state: Arc<JobState>, params: Value, give_up: CancellationToken) -> Returned {
    let ctx = JobContext::new(state);
    let mut handler = Caught::new(async move { job.run(&ctx, params).await });
    let returned = tokio::select! {
        biased;
        returned = &mut handler => returned.unwrap_or_else(Returned::Panicked),
        () = give_up.cancelled() => Returned::Dropped,
    };
    panics::drop_caught(handler);
    returned
}

async fn supervise(
    handler: JoinHandle<Returned>,
    state: &Arc<JobState>,
    grace: Duration,
    give_up: &CancellationToken,
) -> Returned {
    // A handler's task ends without a value only when the process ends.
    let over = async {
        let returned = handler.await.unwrap_or(Returned::Dropped);
        state.blocking.close();
        state.blocking.wait().await;
        returned
    };
    tokio::pin!(over);
    let timed_out = async {
        match state.facts.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        returned = &mut over => return returned,
        () = state.token.cancelled() => {}
        () = timed_out => state.stop(Stop::Timeout),
    }
    // The timeout is over with the first reason to stop: the grace period is the limit now.
    let told_at = Instant::now();
    if let Ok(returned) = timeout(grace, &mut over).await {
        return returned;
    }
    tracing::warn!(grace_seconds = grace.as_secs_f64(), "the handler did not stop in time and is dropped");
    give_up.cancel();
    if let Ok(returned) = timeout(UNRESPONSIVE, &mut over).await {
        return returned;
    }
    unresponsive(state, over, told_at).await
}

/// Says of what does not stop that it does not, so that whoever waits for the cancel reads why; and waits on.
async fn unresponsive(state: &Arc<JobState>, over: impl Future<Output = Returned>, told_at: Instant) -> Returned {
    let ctx = JobContext::new(Arc::clone(state));
    ctx.message(BLOCKS);
    ctx.log(LogLevel::Error, BLOCKS);
    let returned = over.await;
    tracing::warn!(
        seconds = told_at.elapsed().as_secs_f64(),
        "the handler that blocked its thread has ended after all"
    );
    returned
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use async_trait::async_trait;
    use drover_protocol::JobEventKind;

    use super::*;
    use crate::{
        Job, JobFailure, Outcome,
        testing::{Moment, TestCase, TestRun},
    };

    /// Blocks until it is let go: on the thread of its task, or on one for blocking work.
    struct Block {
        aside: bool,
        go: Arc<Mutex<mpsc::Receiver<()>>>,
    }

    #[async_trait]
    impl Job for Block {
        const TYPE: &'static str = "block";
        const TITLE: &'static str = "Block";
        type Params = ();
        type Result = ();

        async fn run(&self, ctx: &JobContext, (): ()) -> Result<Outcome<()>, JobFailure> {
            ctx.message("blocking");
            let go = Arc::clone(&self.go);
            let wait = move || go.lock().map(|go| go.recv().is_ok()).unwrap_or_default();
            let let_go = if self.aside { ctx.blocking(wait).await? } else { wait() };
            assert!(let_go, "nobody let it go");
            Err(JobFailure::cancelled())
        }
    }

    /// Cancels the job while it blocks, and lets it go when it is reported.
    async fn cancelled_while_blocking(aside: bool) -> TestRun {
        let (let_go, go) = mpsc::channel();
        let block = Block { aside, go: Arc::new(Mutex::new(go)) };
        let moments = move |moment: Moment<'_>| {
            if matches!(moment, Moment::Log(text) if text == BLOCKS) {
                let_go.send(()).ok();
            }
            matches!(moment, Moment::Progress(report) if report.message.as_deref() == Some("blocking"))
        };
        TestCase::new(block).grace(Duration::from_millis(20)).cancel_when(moments).run(()).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_handler_that_blocks_is_reported_and_waited_for() {
        for aside in [false, true] {
            let run = cancelled_while_blocking(aside).await;
            assert!(run.is_cancelled(), "{run:?}");
            let messages: Vec<_> = run.progress.iter().filter_map(|report| report.message.as_deref()).collect();
            assert_eq!(messages, ["blocking", BLOCKS]);
            let JobEventKind::Cancelled { progress, .. } = run.outcome else { panic!("cancelled") };
            assert_eq!(progress.and_then(|progress| progress.message).as_deref(), Some(BLOCKS));
        }
    }
}
