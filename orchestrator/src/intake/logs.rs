//! Log lines of jobs: a queue and a loop of their own, so that a chatty job never delays the fold.

use std::sync::Arc;

use drover_protocol::{JobEvent, JobEventKind, decode_one_or_many};
use tokio_util::sync::CancellationToken;

use super::{Bad, Behind, PREFETCH, batch, bury, settle, subscribe, until_done};
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
        match until_done!("keeping log lines", &shutdown, app.store.insert_logs(&lines)) {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, count = lines.len(), "log lines were lost"),
        }
        let kept = bury(&app, &queue, &taken, bad, &shutdown).await;
        settle(&*deliveries, &taken, &kept).await;
    }
}
