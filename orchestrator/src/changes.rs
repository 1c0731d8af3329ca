//! Tells the other replicas which trees changed, and hears it from them: their live streams show what this one folded.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use drover_broker::{Heard, Publication};
use drover_protocol::{JobId, MessageType, decode};
use drover_service::retry::Backoff;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{app::App, live::Told, relay::properties};

/// The routing key on the notifications exchange.
const KEY: &str = "changed";
/// Changes are gathered for this long: people do not read faster.
const PAUSE: Duration = Duration::from_millis(100);
/// Most trees of one message.
const TREES: usize = 1_000;

/// Trees that changed. Internal to the orchestrators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct ChangedTrees {
    roots: Vec<JobId>,
    /// See [`Told`].
    #[serde(default)]
    pressing: bool,
    /// Who tells: a replica passes over its own words.
    from: uuid::Uuid,
}

impl MessageType for ChangedTrees {
    const NAME: &'static str = "drover.changed";
}

/// This process, on the exchange.
fn own() -> uuid::Uuid {
    static OWN: std::sync::OnceLock<uuid::Uuid> = std::sync::OnceLock::new();
    *OWN.get_or_init(uuid::Uuid::now_v7)
}

/// Tells until shutdown.
pub async fn tell(app: Arc<App>, mut changed: mpsc::Receiver<Told>, shutdown: CancellationToken) {
    while let Some(Some(first)) = shutdown.run_until_cancelled(changed.recv()).await {
        let mut roots: BTreeSet<JobId> = first.roots.iter().copied().collect();
        let mut pressing = first.pressing;
        while let Ok(more) = changed.try_recv() {
            roots.extend(more.roots.iter());
            pressing |= more.pressing;
        }
        for roots in Vec::from_iter(roots).chunks(TREES) {
            let message = ChangedTrees { roots: roots.to_vec(), pressing, from: own() };
            let publication = Publication {
                exchange: app.names.notifications_exchange(),
                routing_key: KEY.into(),
                body: Bytes::from(serde_json::to_vec(&message).unwrap_or_default()),
                properties: properties::<ChangedTrees>(&app),
                mandatory: false,
            };
            // Lost: the next change tells of the same tree, and streams look by themselves now and then.
            app.broker.publish(vec![publication]).await;
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
            return;
        }
    }
}

/// Hears until shutdown. `reconnected` is told whenever the connection to the broker was made anew.
pub async fn hear(app: Arc<App>, reconnected: Arc<Notify>, shutdown: CancellationToken) {
    let exchange = app.names.notifications_exchange();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    let mut broadcasts = loop {
        match app.broker.listen(&exchange, KEY).await {
            Ok(broadcasts) => break broadcasts,
            Err(error) => {
                tracing::warn!(%error, "listening for the other replicas failed; it is tried again");
                if !backoff.wait(&shutdown).await {
                    return;
                }
            }
        }
    };
    let mut connected = false;
    while let Some(Some(heard)) = shutdown.run_until_cancelled(broadcasts.next()).await {
        let Heard::Message(delivery) = heard else {
            // The first time it is no other connection than before.
            if std::mem::replace(&mut connected, true) {
                app.metrics.broker_reconnects.inc();
            }
            reconnected.notify_one();
            continue;
        };
        let kind = delivery.properties.kind.as_deref();
        if let Ok(changed) = decode::<ChangedTrees>(kind, &delivery.body, app.message_bytes)
            && changed.from != own()
        {
            app.live.heard(changed.roots.into());
            if changed.pressing {
                app.press.beat();
            }
        }
    }
}
