//! Runs one handler: until it returns, panics, or was told to stop and did not.

use std::{sync::Arc, time::Duration};

use drover_protocol::JobEventKind;
use serde_json::Value;

use crate::{
    JobContext, ending,
    ending::Returned,
    panics::{self, Caught},
    registry::AnyJob,
    state::{JobState, Stop},
};

/// Runs the job's handler and says what is to be reported of its end. `None`: nothing is.
///
/// Call it inside the job's span.
pub(crate) async fn execute(
    job: Arc<dyn AnyJob>,
    state: &Arc<JobState>,
    params: Value,
    grace: Duration,
) -> Option<JobEventKind> {
    let returned = if state.token.is_cancelled() {
        // The reason to stop came between the permit and here.
        Returned::Dropped
    } else {
        let ctx = JobContext::new(Arc::clone(state));
        let mut handler = Caught::new(async move { job.run(&ctx, params).await });
        let returned = supervise(&mut handler, state, grace).await;
        panics::drop_caught(handler);
        returned
    };
    crate::logs::report_left_out(state);
    state.end();
    ending::of(returned, state.stop_reason(), state.ran())
}

async fn supervise<F>(mut handler: &mut Caught<F>, state: &JobState, grace: Duration) -> Returned
where
    F: Future<Output = Returned>,
{
    let flat = |caught: Result<Returned, String>| caught.unwrap_or_else(Returned::Panicked);
    let timed_out = async {
        match state.facts.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        returned = &mut handler => return flat(returned),
        () = state.token.cancelled() => {}
        () = timed_out => state.stop(Stop::Timeout),
    }
    // The timeout is over with the first reason to stop: the grace period is the limit now.
    match tokio::time::timeout(grace, handler).await {
        Ok(returned) => flat(returned),
        Err(_) => {
            tracing::warn!(grace_seconds = grace.as_secs_f64(), "the handler did not stop in time and is dropped");
            Returned::Dropped
        }
    }
}
