//! How to tell that all parts of the system are there.

use std::time::Duration;

use drover_service::retry::Backoff;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::READY_WITHIN;
use crate::{api::Answer, client::Client, failure::Failure};

/// Pauses between two looks for the workers.
const LOOKS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

/// What the definitions that come with it are called as sources.
const BUILT_IN: &str = "drover dev: ";

/// Registers the workflows (name and text), and waits until so many workers are entered.
pub(super) async fn ready(client: &Client, workflows: &[(&str, &str)], workers: usize) -> Result<(), Failure> {
    let steps = async {
        for (name, text) in workflows {
            if !is_built_in(client, name).await? {
                continue;
            }
            let query = [("source", format!("{BUILT_IN}{name}.yaml"))];
            let _: Answer<Value> = client.put("/definitions", &query, "application/yaml", (*text).to_owned()).await?;
        }
        let mut backoff = Backoff::new(LOOKS.0, LOOKS.1);
        while live_workers(&client.get::<Value>("/workers", &[]).await?.raw) < workers {
            sleep(backoff.next()).await;
        }
        Ok(())
    };
    let late = || Failure::Start(format!("the system was not ready within {} s", READY_WITHIN.as_secs()));
    timeout(READY_WITHIN, steps).await.unwrap_or_else(|_| Err(late()))
}

/// Whether the current version of a workflow came with the program, or there is none. What somebody has registered stays.
async fn is_built_in(client: &Client, name: &str) -> Result<bool, Failure> {
    match client.get::<Value>(&format!("/definitions/{name}"), &[]).await {
        Ok(current) => Ok(current.raw["source"].as_str().is_some_and(|source| source.starts_with(BUILT_IN))),
        Err(Failure::Refused(problem)) if problem.status == 404 => Ok(true),
        Err(failure) => Err(failure),
    }
}

fn live_workers(answer: &Value) -> usize {
    let workers = answer["workers"].as_array();
    workers.map_or(0, |workers| workers.iter().filter(|worker| worker["status"] == "live").count())
}
