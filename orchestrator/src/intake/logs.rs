//! Log lines of jobs: a queue and a loop of their own, so that a chatty job never delays the fold.

use std::sync::Arc;

use drover_protocol::{JobEvent, JobEventKind, decode_one_or_many};
use tokio_util::sync::CancellationToken;

use super::{Behind, batch, bury, settle, subscribe, until_done};
use crate::app::App;

/// Keeps log lines until shutdown.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let behind = Behind::default();
    let Some(mut deliveries) = subscribe(&app, &app.names.logs_queue(), &shutdown).await else { return };
    while let Some(taken) = batch(&mut deliveries, &behind, &shutdown).await {
        let (mut lines, mut bad) = (Vec::new(), Vec::new());
        for (index, delivery) in taken.iter().enumerate() {
            let kind = delivery.properties.kind.as_deref();
            match decode_one_or_many::<JobEvent>(kind, &delivery.body, app.message_bytes) {
                Ok(parts) => {
                    for part in parts {
                        match part {
                            Ok(event) if matches!(event.kind, JobEventKind::Log { .. }) => lines.push(event),
                            Ok(event) => bad.push((
                                index,
                                format!("a {} event is no log line; publish it to the events queue", event.kind.name()),
                                delivery.body.to_vec(),
                            )),
                            Err(part) => bad.push((index, part.error.to_string(), part.body)),
                        }
                    }
                }
                Err(error) => bad.push((index, error.to_string(), delivery.body.to_vec())),
            }
        }
        match until_done!("keeping log lines", &shutdown, app.store.insert_logs(&lines)) {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, count = lines.len(), "log lines were lost"),
        }
        let mut kept = Vec::new();
        for (index, reason, body) in bad {
            if !bury(&app, app.names.logs_queue(), &taken[index], &reason, &body).await {
                kept.push(index);
            }
        }
        settle(&*deliveries, &taken, &kept).await;
    }
}
