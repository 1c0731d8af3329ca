//! Traces: spans that are over go to a collector by OTLP, if one is configured and the program can (the feature `otlp`).
//!
//! A workflow runs for hours, on many processes, any of which may die. So no span is held open: whoever sees the end of something
//! knows when it began, and tells the whole span then.

#[cfg(feature = "otlp")]
mod otlp;

use std::time::SystemTime;

use serde::Deserialize;

use super::TraceParent;
use crate::config::{Invalid, Validate};

/// Where traces go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Address of a collector that takes OTLP over HTTP, as `http://127.0.0.1:4318`; empty: traces go nowhere.
    pub otlp_endpoint: String,
}

impl Validate for TelemetryConfig {
    fn validate(&self) -> Result<(), Invalid> {
        let endpoint = self.otlp_endpoint.as_str();
        let is_http = endpoint.strip_prefix("http://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
        if endpoint.is_empty() || is_http && endpoint.chars().all(|c| c.is_ascii_graphic()) {
            return Ok(());
        }
        let problem = "must be empty or an address as http://127.0.0.1:4318; for TLS or a token run a collector on this machine, \
                       which passes the traces on";
        Err(Invalid::new("telemetry.otlp_endpoint", problem))
    }
}

/// Traces cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The program cannot.
    #[error("telemetry.otlp_endpoint is set, but this program was built without the feature `otlp`; leave it empty")]
    NotBuilt,
    /// The address or the environment (`OTEL_…`) is no good.
    #[error("telemetry.otlp_endpoint = {endpoint:?} cannot be used: {reason}")]
    Exporter {
        /// The address.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
}

/// What a span is to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A part of it.
    Internal,
    /// It answers a request.
    Server,
    /// It processes a message.
    Consumer,
}

/// A span that is over.
#[derive(Clone, Debug)]
pub struct EndedSpan {
    /// Where it stands.
    pub place: TraceParent,
    /// The span above it.
    pub parent_span_id: Option<u64>,
    /// What it is to that one.
    pub kind: SpanKind,
    /// What people read.
    pub name: String,
    /// When it began.
    pub began: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// More of it, by names as OpenTelemetry wants them.
    pub attributes: Vec<(&'static str, String)>,
    /// Moments within it, by their names.
    pub moments: Vec<(&'static str, SystemTime)>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// Takes spans to the collector, in batches and in the background. Clones are the same one. The default takes them nowhere.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    #[cfg(feature = "otlp")]
    exporter: Option<otlp::Exporter>,
}

impl Traces {
    /// Begins, if an address is configured. Within a tokio runtime, which the sending needs until [`Traces::shutdown`].
    ///
    /// # Errors
    /// When the program cannot export traces, or not to this address. A collector that is away is none: spans are dropped then.
    #[cfg(feature = "otlp")]
    pub fn start(config: &TelemetryConfig, service: &str, version: &str) -> Result<Self, TracesError> {
        if config.otlp_endpoint.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self { exporter: Some(otlp::Exporter::start(&config.otlp_endpoint, service, version)?) })
    }

    /// Begins, if an address is configured.
    ///
    /// # Errors
    /// When it is: this program cannot export traces.
    #[cfg(not(feature = "otlp"))]
    pub fn start(config: &TelemetryConfig, _service: &str, _version: &str) -> Result<Self, TracesError> {
        if config.otlp_endpoint.is_empty() { Ok(Self::default()) } else { Err(TracesError::NotBuilt) }
    }

    /// Whether spans go anywhere.
    #[must_use]
    pub const fn are_on(&self) -> bool {
        #[cfg(feature = "otlp")]
        {
            self.exporter.is_some()
        }
        #[cfg(not(feature = "otlp"))]
        {
            false
        }
    }

    /// Takes a span, if its trace is looked at. Never waits: what comes faster than it can be sent is dropped.
    pub fn take(&self, span: EndedSpan) {
        #[cfg(feature = "otlp")]
        if let Some(exporter) = self.exporter.as_ref().filter(|_| span.place.is_sampled()) {
            exporter.take(span);
        }
        #[cfg(not(feature = "otlp"))]
        drop(span);
    }

    /// Sends what is left, for a few seconds at most.
    pub async fn shutdown(&self) {
        #[cfg(feature = "otlp")]
        if let Some(exporter) = self.exporter.clone() {
            exporter.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_over_plain_http_is_taken() {
        let check = |endpoint: &str| TelemetryConfig { otlp_endpoint: endpoint.into() }.validate();
        for good in ["", "http://127.0.0.1:4318", "http://collector:4318/otlp"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["https://collector", "collector:4318", "http://", "http:///v1", "http://a b"] {
            let invalid = check(bad).expect_err(bad);
            assert_eq!(invalid.key, "telemetry.otlp_endpoint");
        }
    }
}
