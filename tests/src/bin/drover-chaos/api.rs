//! The HTTP API of whichever orchestrator answers.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, bail};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::settings::REQUEST;

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(100);

/// See the module.
pub(crate) struct Api {
    client: Client,
    urls: Vec<String>,
    turn: AtomicUsize,
}

/// An answer: its status and its body.
pub(crate) type Answer = (StatusCode, Value);

/// The answer to who insisted.
pub(crate) struct Insisted {
    pub(crate) status: StatusCode,
    pub(crate) answer: Value,
    /// A try before was not answered: it may still be done, whenever whoever has it wakes up.
    pub(crate) unanswered: bool,
}

impl Api {
    pub(crate) fn new(urls: Vec<String>) -> anyhow::Result<Self> {
        let client = Client::builder().no_proxy().timeout(REQUEST).connect_timeout(REQUEST / 4).build()?;
        Ok(Self { client, urls, turn: AtomicUsize::new(0) })
    }

    /// One request to one orchestrator. `Err`: there was no answer, and it may have been done.
    pub(crate) async fn once(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.urls.len().max(1);
        let url = self.urls.get(turn).context("there is no orchestrator")?;
        let mut request = self.client.request(method, format!("{url}{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// The same until it is answered by something other than "not now".
    pub(crate) async fn insist(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        patience: Duration,
    ) -> anyhow::Result<Insisted> {
        let deadline = Instant::now() + patience;
        let mut unanswered = false;
        loop {
            match self.once(method.clone(), path, body).await {
                Ok((status, answer)) if !status.is_server_error() => {
                    return Ok(Insisted { status, answer, unanswered });
                }
                Ok((status, answer)) if Instant::now() > deadline => bail!("{method} {path}: {status} {answer}"),
                Err(error) if Instant::now() > deadline => return Err(error.context(format!("{method} {path}"))),
                // An orchestrator that gave up waiting for its database does not know what became of it either.
                Ok(_) | Err(_) => unanswered = true,
            }
            sleep(AGAIN).await;
        }
    }
}
