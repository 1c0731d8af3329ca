//! RabbitMQ's management API.

use crate::servers;
use anyhow::{Context, bail};
use reqwest::{Client, Method, Url};
use serde_json::Value;

/// A client of the management API. It belongs to the runtime it was made on.
#[derive(Debug, Clone)]
pub struct Management {
    client: Client,
    url: Url,
}

impl Management {
    /// A client for the broker that the tests use.
    ///
    /// # Errors
    /// There is no broker, see [`servers`].
    pub async fn connect() -> anyhow::Result<Self> {
        Ok(Self { client: http_client()?, url: servers().await?.management_url.clone() })
    }

    /// The user that the tests are.
    pub(crate) fn user(&self) -> &str {
        self.url.username()
    }

    /// `GET /api/{path}`: `queues/{vhost}/{name}`, `connections`, …
    ///
    /// # Errors
    /// The broker does not answer, or answers with an error.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// `PUT /api/{path}` with a JSON body.
    ///
    /// # Errors
    /// The broker does not answer, or answers with an error.
    pub async fn put(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// `POST /api/{path}` with a JSON body.
    ///
    /// # Errors
    /// The broker does not answer, or answers with an error.
    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `DELETE /api/{path}`. What is not there counts as deleted.
    ///
    /// # Errors
    /// The broker does not answer, or answers with an error.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let place = format!("{method} /api/{path} of RabbitMQ's management API");
        let request = self.client.request(method.clone(), self.url.join("/api/")?.join(path)?);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let response = request.send().await.with_context(|| place.clone())?;
        let (status, text) = (response.status(), response.text().await?);
        if status.is_success() || (method == Method::DELETE && status == reqwest::StatusCode::NOT_FOUND) {
            return Ok(serde_json::from_str(&text).unwrap_or_default());
        }
        bail!("{place}: {status}: {text}")
    }
}

/// An HTTP client. The harness speaks to loopback, so it leaves proxies alone.
pub(crate) fn http_client() -> anyhow::Result<Client> {
    // An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().no_proxy().build()?)
}
