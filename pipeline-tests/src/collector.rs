//! Collector: takes the spans that services export over OTLP/HTTP.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One span, ids as they travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedSpan {
    /// `service.name` of its process.
    pub service: String,
    /// Name.
    pub name: String,
    /// Trace.
    pub trace: Vec<u8>,
    /// Itself.
    pub id: Vec<u8>,
    /// Its parent; empty for a root.
    pub parent: Vec<u8>,
    /// OpenTelemetry's number of its kind: 4 producer, 5 consumer.
    pub kind: i32,
    /// Spans that it is linked with.
    pub links: Vec<Vec<u8>>,
    /// Attributes that are text.
    pub attributes: BTreeMap<String, String>,
}

type Spans = Arc<Mutex<Vec<CollectedSpan>>>;

/// A collector that runs until it is dropped.
pub struct Collector {
    address: SocketAddr,
    spans: Spans,
    server: JoinHandle<()>,
}

impl Collector {
    /// Starts on a free port.
    pub async fn start() -> Self {
        let spans = Spans::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/v1/traces", post(take)).with_state(spans.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { address, spans, server }
    }

    /// For OTEL_EXPORTER_OTLP_ENDPOINT.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Spans received so far.
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.spans.lock().expect("no handler panics").clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |pair: KeyValue| match pair.value?.value? {
        any_value::Value::StringValue(text) => Some((pair.key, text)),
        _ => None,
    };
    attributes.into_iter().filter_map(text).collect()
}

async fn take(State(spans): State<Spans>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).expect("a request of OTLP");
    let mut all = spans.lock().expect("no handler panics");
    for of_service in request.resource_spans {
        let attributes = of_service.resource.map(|resource| resource.attributes).unwrap_or_default();
        let name = attributes.into_iter().find(|pair| pair.key == "service.name").and_then(|pair| pair.value);
        let Some(any_value::Value::StringValue(service)) = name.and_then(|name| name.value) else {
            panic!("spans of a service without a name");
        };
        for span in of_service.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            all.push(CollectedSpan {
                service: service.clone(),
                name: span.name,
                trace: span.trace_id,
                id: span.span_id,
                parent: span.parent_span_id,
                kind: span.kind,
                links: span.links.into_iter().map(|link| link.span_id).collect(),
                attributes: texts(span.attributes),
            });
        }
    }
}
