//! Log lines that are old, and the oldest of those that are too many, are deleted.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Pace, is_eldest};
use crate::{app::App, prune::pause_after, store::StoreError};

const PERIOD: Duration = Duration::from_secs(60);

/// Deletes until shutdown. What was begun then is rolled back.
pub async fn run(app: Arc<App>, pace: Pace, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(sleep(PERIOD)).await.is_some() {
        match shutdown.run_until_cancelled(round(&app, pace)).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, "old log lines are deleted later"),
        }
    }
}

async fn round(app: &App, pace: Pace) -> Result<(), StoreError> {
    if is_eldest(app, pace).await? { expire(app).await } else { Ok(()) }
}

/// Until no line is too old, and all together are no more than they may be.
async fn expire(app: &App) -> Result<(), StoreError> {
    if let Some(age) = app.logs.age() {
        delete(app, Some(age), i64::MAX).await?;
    }
    if let Some(most) = app.logs.total_bytes() {
        let excess = app.store.log_bytes().await? - most;
        if excess > 0 {
            delete(app, None, excess).await?;
        }
    }
    Ok(())
}

/// Deletes the oldest lines, a part at a time: those of an age, up to so many bytes.
async fn delete(app: &App, age: Option<Duration>, bytes: i64) -> Result<(), StoreError> {
    let (mut after, mut lines, mut left) = (0, 0, bytes);
    while left > 0 {
        let step = Instant::now();
        // Where the last statement ended: what it deleted still lies at the beginning of the index.
        let expired = app.store.expire_logs(after, age, left).await?;
        let Some(last) = expired.last else { break };
        app.metrics.log_lines_expired.inc_by(expired.lines.unsigned_abs());
        (after, lines, left) = (last, lines + expired.lines, left - expired.bytes);
        sleep(pause_after(step)).await;
    }
    if lines > 0 {
        tracing::info!(lines, bytes = bytes - left, by_age = age.is_some(), "old log lines deleted");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use drover_protocol::{JobId, LogLevel};

    use super::*;
    use crate::{config::LogsSection, store::Trail, testing::Desk};

    /// What one of the lines takes: three characters, `{"row": 7}` and the row.
    const LINE: i64 = 3 + 10 + 250;

    async fn desk(logs: LogsSection) -> (Desk, JobId) {
        let desk = Desk::with(|app| app.logs = logs).await;
        desk.announce(&["work"]).await;
        let id = desk.submit("work").await;
        (desk, id)
    }

    async fn lines(desk: &Desk, root: JobId) -> Vec<String> {
        let (lines, _) = desk.app.store.view_logs(Trail::Tree { root }, 0, None, 100).await.expect("read");
        lines.into_iter().map(|(_, line)| line["message"].as_str().expect("a text").to_owned()).collect()
    }

    #[tokio::test]
    async fn old_lines_are_deleted_and_counted_as_missing() {
        let (desk, id) = desk(LogsSection { days: 14.0, ..LogsSection::default() }).await;
        for message in ["one", "two", "new"] {
            desk.log(id, LogLevel::Info, message).await;
        }
        let client = desk.database.connect().await.expect("a connection");
        let earlier = "UPDATE logs SET taken_at = taken_at - interval '15 days' WHERE message <> 'new'";
        client.execute(earlier, &[]).await.expect("set");
        expire(&desk.app).await.expect("deleted");
        assert_eq!(lines(&desk, id).await, ["new"]);
        let trail = Trail::Job { id, root: id };
        assert_eq!(desk.app.store.expired_logs(trail).await.expect("counted"), 2);
        assert_eq!(desk.app.store.log_bytes().await.expect("summed"), LINE, "what went takes nothing");
    }

    #[tokio::test]
    async fn the_oldest_go_when_all_together_are_too_many() {
        let (desk, id) = desk(LogsSection { total_mib: 1.0 / 1024.0, ..LogsSection::default() }).await;
        let other = desk.submit("work").await;
        for (job, message) in [(id, "one"), (other, "two"), (id, "san"), (id, "for"), (other, "fem")] {
            desk.log(job, LogLevel::Info, message).await;
        }
        expire(&desk.app).await.expect("deleted");
        // 1,024 bytes hold three lines.
        assert_eq!(
            (lines(&desk, id).await, lines(&desk, other).await),
            (vec!["san".into(), "for".into()], vec!["fem".into()])
        );
        assert_eq!(desk.app.store.log_bytes().await.expect("summed"), 3 * LINE);
        assert_eq!(desk.app.store.expired_logs(Trail::Tree { root: other }).await.expect("counted"), 1);
        expire(&desk.app).await.expect("nothing to do");
        assert_eq!(lines(&desk, id).await.len(), 2);
    }

    #[tokio::test]
    async fn a_job_keeps_so_many_bytes_and_one_line_says_how_many_were_dropped() {
        let (desk, id) = desk(LogsSection { job_bytes: 2 * LINE.unsigned_abs(), ..LogsSection::default() }).await;
        let other = desk.submit("work").await;
        for message in ["one", "two", "san", "for"] {
            desk.log(id, LogLevel::Info, message).await;
        }
        desk.log(other, LogLevel::Info, "one").await;
        let kept = lines(&desk, id).await;
        assert_eq!(kept[..2], ["one", "two"]);
        assert_eq!(kept.len(), 3, "{kept:?}");
        assert!(kept[2].starts_with("2 log lines were dropped"), "{kept:?}");
        assert_eq!(lines(&desk, other).await, ["one"], "another job has its own");
    }

    #[tokio::test]
    async fn a_job_whose_old_lines_are_gone_has_room_again() {
        let (desk, id) =
            desk(LogsSection { job_bytes: LINE.unsigned_abs(), days: 14.0, ..LogsSection::default() }).await;
        desk.log(id, LogLevel::Info, "one").await;
        desk.log(id, LogLevel::Info, "two").await;
        let client = desk.database.connect().await.expect("a connection");
        client.execute("UPDATE logs SET taken_at = taken_at - interval '15 days'", &[]).await.expect("set");
        expire(&desk.app).await.expect("deleted");
        desk.log(id, LogLevel::Info, "san").await;
        desk.log(id, LogLevel::Info, "for").await;
        let kept = lines(&desk, id).await;
        assert_eq!((kept.len(), kept[0].as_str()), (2, "san"));
        assert!(kept[1].starts_with("2 log lines were dropped"), "a new one, since the old one has gone: {kept:?}");
    }
}
