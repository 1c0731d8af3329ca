//! OTLP over HTTP, by OpenTelemetry's own exporter; the requests are sent on the program's runtime.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{Event, SpanContext, Status, TraceState},
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor},
};
use tokio::runtime::Handle;

use super::{EndedSpan, SpanKind, TracesError};

/// Where a collector takes traces, below its address.
const PATH: &str = "/v1/traces";
/// Longest that a request may take.
const REQUEST: Duration = Duration::from_secs(5);
/// Longest that a shutdown may take.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Largest answer that is read.
const ANSWER_BYTES: usize = 64 * 1024;

/// Sends spans in batches.
#[derive(Clone, Debug)]
pub(super) struct Exporter {
    processor: Arc<BatchSpanProcessor>,
    scope: InstrumentationScope,
}

impl Exporter {
    pub(super) fn start(endpoint: &str, service: &str, version: &str) -> Result<Self, TracesError> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new(endpoint))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')))
            .with_timeout(REQUEST)
            .build()
            .map_err(|error| TracesError::Exporter { endpoint: endpoint.into(), reason: error.to_string() })?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let resource = Resource::builder()
            .with_service_name(service.to_owned())
            .with_attribute(KeyValue::new("service.version", version.to_owned()));
        processor.set_resource(&resource.build());
        let scope = InstrumentationScope::builder("drover").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { processor: Arc::new(processor), scope })
    }

    pub(super) fn take(&self, span: EndedSpan) {
        let EndedSpan { place, parent_span_id, kind, name, began, ended, attributes, moments, error } = span;
        let (trace_id, span_id) = (TraceId::from(place.trace_id), SpanId::from(place.span_id));
        let flags = TraceFlags::new(place.flags);
        let mut events = SpanEvents::default();
        events.events = moments.into_iter().map(|(name, at)| Event::new(name, at, Vec::new(), 0)).collect();
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(trace_id, span_id, flags, false, TraceState::default()),
            parent_span_id: parent_span_id.map_or(SpanId::INVALID, SpanId::from),
            // Its parent is another process's as often as not.
            parent_span_is_remote: parent_span_id.is_some(),
            span_kind: match kind {
                SpanKind::Internal => opentelemetry::trace::SpanKind::Internal,
                SpanKind::Server => opentelemetry::trace::SpanKind::Server,
                SpanKind::Consumer => opentelemetry::trace::SpanKind::Consumer,
            },
            name: Cow::Owned(name),
            start_time: began,
            // Clocks of several machines took part.
            end_time: ended.max(began),
            attributes: attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect(),
            dropped_attributes_count: 0,
            events,
            links: SpanLinks::default(),
            status: error.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        });
    }

    /// On a thread of its own, since it waits for requests that the runtime sends.
    pub(super) async fn shutdown(self) {
        let shutdown = move || self.processor.shutdown_with_timeout(SHUTDOWN);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(shutdown).await {
            tracing::warn!(%error, "the last spans may be lost");
        }
    }
}

/// Sends requests on the runtime: whoever asks for them is a thread that knows none.
#[derive(Debug)]
struct Sender {
    endpoint: String,
    runtime: Handle,
    client: Client<HttpConnector, Full<Bytes>>,
    /// The last one failed: the log says so once, and once that it works again.
    failing: AtomicBool,
}

impl Sender {
    fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            runtime: Handle::current(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            failing: AtomicBool::new(false),
        }
    }

    fn note(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let problem = match outcome {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answered {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        let failing = problem.is_some();
        if self.failing.swap(failing, Ordering::Relaxed) == failing {
            return;
        }
        match problem {
            Some(problem) => {
                tracing::warn!(endpoint = self.endpoint, problem, "traces are lost: the collector takes none")
            }
            None => tracing::info!(endpoint = self.endpoint, "the collector takes traces again"),
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let asking = self.client.request(request.map(Full::new));
        let exchange = async move {
            let (head, body) = asking.await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        let within = tokio::time::timeout;
        let outcome = match self.runtime.spawn(async move { within(REQUEST, exchange).await }).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(format!("no answer within {} s", REQUEST.as_secs()).into()),
            Err(error) => Err(error.into()),
        };
        self.note(&outcome);
        outcome
    }
}
