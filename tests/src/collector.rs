//! A collector of traces: takes what processes export by OTLP, span by span.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinHandle};

/// A span as it was told.
#[derive(Clone, Debug)]
pub struct CollectedSpan {
    /// Who told it.
    pub service: String,
    /// What people read.
    pub name: String,
    /// Its trace, in hexadecimal digits.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// That of the span above it; empty: there is none.
    pub parent_span_id: String,
    /// How long it took, in nanoseconds.
    pub nanoseconds: u64,
    /// What else is told.
    pub attributes: BTreeMap<String, String>,
    /// Why it failed; empty: it did not.
    pub error: String,
}

type Spans = Arc<Mutex<Vec<CollectedSpan>>>;

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Collector {
    endpoint: String,
    spans: Spans,
    server: JoinHandle<()>,
}

impl Collector {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the machine has no port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let spans = Spans::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        let server = tokio::spawn(async move {
            // It ends with the test.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { endpoint, spans, server })
    }

    /// What `telemetry.otlp_endpoint` has to be.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What came so far.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut collected = spans.lock().unwrap_or_else(PoisonError::into_inner);
    for resource in request.resource_spans {
        let about = attributes(resource.resource.map(|resource| resource.attributes).unwrap_or_default());
        let service = about.get("service.name").cloned().unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            collected.push(CollectedSpan {
                service: service.clone(),
                name: span.name,
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent_span_id: hex(&span.parent_span_id),
                nanoseconds: span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
                attributes: attributes(span.attributes),
                error: span.status.map(|status| status.message).unwrap_or_default(),
            });
        }
    }
    StatusCode::OK
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |pair: KeyValue| match pair.value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => Some((pair.key, text)),
        _ => None,
    };
    pairs.into_iter().filter_map(text).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
