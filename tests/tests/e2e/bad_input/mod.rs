//! Bad input harms itself only: it gets a clear error, is kept where a person finds it, and the system goes on.

mod config;
mod definitions;
mod messages;
mod nested;
mod oversized;
mod submissions;
mod undecodable;

use drover_tests::{
    Fleet,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use serde_json::{Value, json};

/// Waits for a dead letter of a queue of which it is said what `text` says.
pub(crate) async fn dead_letter(fleet: &Fleet, queue: &str, text: &str) -> Value {
    wait::until("the dead letter to be listed", PATIENCE, async || {
        let letters = fleet.get("/api/v1/dead").await?;
        let messages = letters["messages"].as_array().cloned().unwrap_or_default();
        let found = messages.into_iter().find(|letter| {
            letter["queue"] == queue && letter["detail"].as_str().is_some_and(|detail| detail.contains(text))
        });
        Ok(found.map_or_else(|| Seen::not_yet(&letters), Seen::Yes))
    })
    .await
    .expect("it is kept")
}

async fn goes_on(fleet: &Fleet) {
    let job = fleet.run("noop", json!({})).await.expect("the system goes on");
    assert_eq!(job["status"], "completed", "{job}");
}
