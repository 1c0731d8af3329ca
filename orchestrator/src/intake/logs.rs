//! Log lines of jobs: a queue and a loop of their own, so that a chatty job never delays the fold.

use std::sync::Arc;

use drover_protocol::{JobEvent, JobEventKind, decode_one_or_many};
use tokio_util::sync::CancellationToken;

use super::{Bad, Behind, PREFETCH, batch, bury, bury_event, settle, subscribe, until_done};
use crate::app::App;

/// Keeps log lines until shutdown.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let behind = Behind::default();
    let queue = app.names.logs_queue();
    let Some(mut deliveries) = subscribe(&app, &queue, PREFETCH, &shutdown).await else { return };
    while let Some(taken) = batch(&mut deliveries, &behind, &shutdown).await {
        let (mut lines, mut bad) = (Vec::new(), Vec::new());
        for (index, delivery) in taken.iter().enumerate() {
            let kind = delivery.properties.kind.as_deref();
            match decode_one_or_many::<JobEvent>(kind, &delivery.body, app.message_bytes) {
                Ok(parts) => {
                    for part in parts {
                        match part {
                            Ok(event) if matches!(event.kind, JobEventKind::Log { .. }) => lines.push(event),
                            Ok(event) => {
                                let kind = event.kind.name();
                                let reason = format!("a {kind} event is no log line; publish it to the events queue");
                                bad.push(Bad { index, reason, body: delivery.body.clone() });
                            }
                            Err(part) => {
                                bad.push(Bad { index, reason: part.error.to_string(), body: part.body.into() });
                            }
                        }
                    }
                }
                Err(error) => bad.push(Bad { index, reason: error.to_string(), body: delivery.body.clone() }),
            }
        }
        if keep(&app, &lines, &shutdown).await.is_none() {
            return;
        }
        let kept = bury(&app, &queue, &taken, bad, &shutdown).await;
        settle(&*deliveries, &taken, &kept).await;
    }
}

/// Keeps log lines. One that the database refuses goes to the dead letters, and harms no other. `None`: shutdown came first.
pub(super) async fn keep(app: &App, lines: &[JobEvent], shutdown: &CancellationToken) -> Option<()> {
    if lines.is_empty() {
        return Some(());
    }
    let limit = app.logs.job_bytes();
    let error = match until_done!("keeping log lines", shutdown, app.store.insert_logs(lines, limit))? {
        Ok(dropped) => {
            app.metrics.log_lines_dropped.inc_by(dropped.unsigned_abs());
            return Some(());
        }
        Err(error) => error,
    };
    tracing::warn!(%error, count = lines.len(), "log lines are kept one by one");
    for line in lines {
        let alone = std::slice::from_ref(line);
        let kept = until_done!("keeping a log line", shutdown, app.store.insert_logs(alone, limit))?;
        if let Err(error) = kept {
            bury_event(app, &app.names.logs_queue(), line, &error.to_string(), shutdown).await?;
        }
    }
    Some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use drover_protocol::LogLevel;

    use super::*;
    use crate::{store::Trail, testing::Desk};

    #[tokio::test]
    async fn a_line_that_the_database_refuses_goes_to_the_dead_letters_and_harms_no_other() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let id = desk.submit("work").await;
        let line = |message: &str| {
            let (level, fields) = (LogLevel::Info, Default::default());
            desk.event(id, JobEventKind::Log { level, message: message.into(), fields })
        };
        // Decoding refuses a NUL: to see what becomes of a refusal that nobody has thought of.
        keep(&desk.app, &[line("a"), line("\0"), line("b")], &CancellationToken::new()).await.unwrap();
        let (kept, _) = desk.app.store.view_logs(Trail::Tree { root: id }, 0, None, 10).await.unwrap();
        assert_eq!(kept.iter().map(|(_, line)| line["message"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
        let (letters, _) = desk.app.store.view_dead(&Default::default(), None, 10, 1_000).await.unwrap();
        let [letter] = letters.as_slice() else { panic!("{letters:?}") };
        assert_eq!((letter.queue.as_str(), letter.job_id), ("drover.logs", Some(id)));
        assert_eq!(letter.message_type.as_deref(), Some("drover.event.v1"), "fit to be sent again");
    }
}
