//! A receiver of traces over OTLP, by gRPC and by HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::support::races::BOUND;

const POLL: Duration = Duration::from_millis(20);

/// A span and the resource that sent it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) span: Span,
    resource: Vec<KeyValue>,
}

impl Received {
    pub(crate) fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub(crate) fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// Empty for the root of a trace.
    pub(crate) fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// An attribute as text; empty if there is none.
    pub(crate) fn attribute(&self, key: &str) -> String {
        value_of(&self.span.attributes, key)
    }

    /// An attribute of the resource as text; empty if there is none.
    pub(crate) fn resource(&self, key: &str) -> String {
        value_of(&self.resource, key)
    }

    /// The trace ids and span ids of the links.
    pub(crate) fn links(&self) -> Vec<(String, String)> {
        self.span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn value_of(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()) {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text.clone(),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

/// The spans received so far.
#[derive(Debug, Clone, Default)]
struct Mailbox(Arc<Mutex<Vec<Received>>>);

impl Mailbox {
    fn store(&self, request: ExportTraceServiceRequest) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for of_resource in request.resource_spans {
            let resource = of_resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
            all.extend(spans.map(|span| Received { span, resource: resource.clone() }));
        }
    }
}

#[tonic::async_trait]
impl TraceService for Mailbox {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.store(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Listens until the test's runtime ends.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Mailbox,
}

impl Receiver {
    pub(crate) async fn grpc() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("an address");
        let received = Mailbox::default();
        let service = TraceServiceServer::new(received.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Self { address, received }
    }

    pub(crate) fn http() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("an address");
        let received = Mailbox::default();
        let state = received.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(state.clone()))
                .app_data(web::PayloadConfig::new(8 * 1024 * 1024))
                .route("/v1/traces", web::post().to(take_http))
        });
        let server = server.workers(1).disable_signals().listen(listener).expect("the server starts");
        tokio::spawn(server.run());
        Self { address, received }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn spans(&self) -> Vec<Received> {
        self.received.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the trace has a span of each name, and returns all its spans.
    pub(crate) async fn until_has(&self, trace: &str, names: &[&str]) -> Vec<Received> {
        let deadline = Instant::now() + BOUND;
        loop {
            let spans: Vec<_> = self.spans().into_iter().filter(|span| span.trace() == trace).collect();
            let received: Vec<&str> = spans.iter().map(|span| span.span.name.as_str()).collect();
            if names.iter().all(|name| received.contains(name)) {
                return spans;
            }
            let all = self.spans().len();
            assert!(
                Instant::now() < deadline,
                "expected {names:?}, received {received:?}, and {all} spans in all"
            );
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn take_http(received: web::Data<Mailbox>, body: web::Bytes) -> HttpResponse {
    match ExportTraceServiceRequest::decode(body) {
        Ok(request) => {
            received.store(request);
            let answer = ExportTraceServiceResponse::default().encode_to_vec();
            HttpResponse::Ok().content_type("application/x-protobuf").body(answer)
        }
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}

/// The only span of this name. Panics if there is another one.
pub(crate) fn named<'a>(spans: &'a [Received], name: &str) -> &'a Received {
    let found: Vec<_> = spans.iter().filter(|span| span.span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {:?}", spans.iter().map(|span| &span.span.name).collect::<Vec<_>>());
    found[0]
}
