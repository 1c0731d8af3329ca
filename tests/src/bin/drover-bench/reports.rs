//! One job that reports as often as it can, with the worker's default pace: what a call costs, and how old the page is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    counts::Counts,
    figures::Figures,
    system::System,
    time::{ms, percentile},
};

/// How often the page is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// The last reports come so far apart.
const SPACING_MS: u32 = 1;

/// The job reports in a loop; then it reports the time of day for a while, which the API's answer is compared with. Each look
/// tells the age of what it shows when the answer has come.
pub(crate) async fn measure(counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let mut system = System::start_with(counts, 1, 1, &[]).await?;
    let params = json!({ "reports": counts.loop_reports, "stamps": counts.stamps, "spacing_ms": SPACING_MS });
    let id = system.fleet.submit("stamps", params).await?;
    let mut ages = Vec::new();
    loop {
        let job = system.fleet.job(&id).await?;
        if job["finished_at"].is_string() {
            break;
        }
        if let Some(stamp) = job["processed"].as_u64().filter(|stamp| *stamp > 0) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            ages.push(ms(now.saturating_sub(Duration::from_micros(stamp))));
        }
        sleep(LOOK).await;
    }
    system.ends.completed([id.clone()]).await?;
    let job = system.fleet.job(&id).await?;
    ensure!(!ages.is_empty(), "the job was over before a report was seen");
    figures.add("report_call_ns", job["result"]["ns_per_call"].as_f64().context("the job tells what a call took")?);
    figures.add("report_age_ms_p50", percentile(&mut ages, 50));
    figures.add("report_age_ms_max", percentile(&mut ages, 100));
    system.done();
    Ok(())
}
