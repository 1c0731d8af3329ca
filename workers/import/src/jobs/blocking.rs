//! Runs blocking work for a job: off the async threads, reported on while it runs, stopped by a cancel.

use std::{sync::Arc, time::Duration};

use drover_worker::{JobContext, JobFailure, ProgressReport};

use crate::meter::Meter;

/// How often the meter is read. The worker sends at most a few reports per second anyway.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Runs the work to its end. A cancel of the job cancels the meter, and the work ends by itself at its next check.
pub(super) async fn run<T: Send + 'static>(
    ctx: &JobContext,
    work: impl FnOnce(&Meter) -> T + Send + 'static,
) -> Result<T, JobFailure> {
    let meter = Arc::new(Meter::default());
    // If this future is dropped, nobody waits for the work any more: it must not go on.
    let _guard = CancelOnDrop(Arc::clone(&meter));
    let at_work = Arc::clone(&meter);
    let task = ctx.blocking(move || work(&at_work));
    tokio::pin!(task);
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    let mut told = false;
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut task => break outcome,
            () = ctx.cancelled(), if !told => {
                told = true;
                meter.cancel();
            }
            _ = ticks.tick() => report(ctx, &meter),
        }
    };
    report(ctx, &meter);
    outcome
}

fn report(ctx: &JobContext, meter: &Meter) {
    let reading = meter.read();
    let counted = reading.total_units > 0;
    ctx.progress(ProgressReport {
        percent: reading.percent(),
        message: (!reading.message.is_empty()).then_some(reading.message),
        processed: counted.then_some(reading.units),
        total: counted.then_some(reading.total_units),
    });
}

struct CancelOnDrop(Arc<Meter>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
