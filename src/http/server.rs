//! The HTTP server: routes, and the bounds that hold before a handler runs.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::{Server, Service as _, ServiceResponse};
use actix_web::http::header::{ALLOW, CONNECTION, HeaderValue};
use actix_web::{App, HttpRequest, HttpServer, Resource, ResponseError, web};
use futures_util::FutureExt as _;
use futures_util::future::{Either, ready};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::problem::{Problem, log_cause};
use super::state::AppState;
use super::{admin, body_guard, console, coupons, health, issuances, openapi, path_encoding, spans};
use crate::telemetry::TraceSpan;

/// How long the headers of a request may take to arrive.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted; the system's own limit may be lower. The clients of a drop connect at the
/// same moment, and TCP retries a connection that does not fit in after a second or more.
const BACKLOG: u32 = 16_384;
/// How long an idle connection stays open.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Port 0 takes a free one.
    pub bind: SocketAddr,
    /// Number of threads that serve requests.
    pub workers: usize,
    /// Further connections wait to be accepted.
    pub max_connections: usize,
    /// Time for open connections to finish when the server stops.
    pub shutdown_timeout: Duration,
}

/// A server that listens and runs when awaited.
pub struct BoundServer {
    pub address: SocketAddr,
    pub server: Server,
}

/// Listens at once, so that a port in use is noticed before the node starts anything else.
///
/// # Errors
/// An error of the operating system.
pub fn bind(settings: &ServerSettings, state: AppState) -> io::Result<BoundServer> {
    let (draining, serves_api) = (state.draining.clone(), state.serves_api);
    let state = web::Data::new(state);
    let workers = settings.workers.max(1);
    let server = HttpServer::new(move || {
        let draining = draining.clone();
        App::new()
            .app_data(state.clone())
            .wrap_fn(move |mut request, service| {
                let draining = draining.clone();
                let unread_body = body_guard::share(&mut request);
                let span = spans::begin(&request);
                let response = if path_encoding::is_text(request.uri().path()) {
                    Either::Left(service.call(request).map(|response| response.inspect(log_cause)))
                } else {
                    let problem = Problem::invalid_parameter(path_encoding::NOT_TEXT);
                    Either::Right(ready(Ok(request.into_response(problem.error_response()))))
                };
                in_span(span, response).map(move |response| {
                    let mut response = body_guard::attach(unread_body, response?);
                    if draining.load(Ordering::Relaxed) {
                        // So that the client reconnects, to another node.
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    Ok(response)
                })
            })
            .configure(|config| {
                if serves_api {
                    api_routes(config);
                }
            })
            .configure(admin_routes)
            .configure(health_routes)
    })
    .workers(workers)
    .max_connections((settings.max_connections / workers).max(1))
    .client_request_timeout(HEADERS_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    // A client that closes its side cancels its request at once, which frees its place in the queue. Otherwise the close
    // would be noticed only when the response is written.
    .h1_allow_half_closed(false)
    .shutdown_timeout(settings.shutdown_timeout.as_secs())
    .disable_signals()
    .backlog(BACKLOG)
    .bind(settings.bind)?;
    let address = server.addrs().first().copied().unwrap_or(settings.bind);
    Ok(BoundServer { address, server: server.run() })
}

/// Awaits `response` within `span`, if the request is traced.
fn in_span<B, E>(
    span: Option<TraceSpan>,
    response: impl Future<Output = Result<ServiceResponse<B>, E>>,
) -> impl Future<Output = Result<ServiceResponse<B>, E>> {
    let Some(span) = span else { return Either::Left(response) };
    Either::Right(async move {
        let recorded = async {
            let mut response = response.await?;
            spans::record_response(&span, &mut response);
            Ok(response)
        };
        span.run(recorded).await
    })
}

/// A path with these methods alone.
fn at(path: &str, methods: &'static str) -> Resource {
    web::resource(path.to_owned()).default_service(web::to(move || wrong_method(methods)))
}

fn get(path: &str) -> Resource {
    at(path, "GET")
}

fn post(path: &str) -> Resource {
    at(path, "POST")
}

/// Routes of the public API; only on nodes with the role api.
fn api_routes(config: &mut web::ServiceConfig) {
    let coupons = at("/v1/coupons", "GET, POST")
        .route(web::get().to(coupons::list))
        .route(web::post().to(coupons::create));
    let coupon = at("/v1/coupons/{coupon_id}", "GET, PATCH")
        .route(web::get().to(coupons::show))
        .route(web::patch().to(coupons::amend));
    // Otherwise the page sends the document's address to a validator on the internet.
    let docs = Config::from("/openapi.json").validator_url("none");
    config
        .service(post("/v1/coupons/{coupon_id}/issuances").route(web::post().to(issuances::issue)))
        .service(get("/v1/coupons/{coupon_id}/issuances/{member_id}").route(web::get().to(issuances::find)))
        .service(post("/v1/coupons/{coupon_id}/pause").route(web::post().to(coupons::pause)))
        .service(post("/v1/coupons/{coupon_id}/resume").route(web::post().to(coupons::resume)))
        .service(post("/v1/coupons/{coupon_id}/close").route(web::post().to(coupons::close)))
        .service(coupon)
        .service(coupons)
        .service(get("/openapi.json").route(web::get().to(openapi::serve)))
        .service(get("/try/{coupon_id}").route(web::get().to(console::try_it)))
        .service(web::redirect("/docs", "/docs/"))
        .service(
            web::scope("/docs").wrap(console::guard_docs()).service(SwaggerUi::new("/{_:.*}").config(docs)),
        );
}

/// Routes for operators; on every node.
fn admin_routes(config: &mut web::ServiceConfig) {
    let letter = at("/v1/admin/dead-letters/{id}", "GET, DELETE")
        .route(web::get().to(admin::dead_letters::show))
        .route(web::delete().to(admin::dead_letters::discard));
    config
        .service(get("/console").route(web::get().to(console::console)))
        .service(web::redirect("/console/", "/console"))
        .service(get("/assets/{name}").route(web::get().to(console::asset)))
        .service(get("/v1/admin/events").route(web::get().to(admin::events::watch)))
        .service(get("/v1/admin/dead-letters").route(web::get().to(admin::dead_letters::list)))
        .service(post("/v1/admin/dead-letters/replay").route(web::post().to(admin::dead_letters::replay_all)))
        .service(
            post("/v1/admin/dead-letters/{id}/replay").route(web::post().to(admin::dead_letters::replay)),
        )
        .service(letter)
        .service(get("/v1/admin/conflicts").route(web::get().to(admin::conflicts::list)))
        .service(get("/v1/admin/conflicts/{id}").route(web::get().to(admin::conflicts::show)))
        .service(post("/v1/admin/conflicts/{id}/settle").route(web::post().to(admin::conflicts::settle)))
        .service(get("/v1/admin/actors").route(web::get().to(admin::actors::list)))
        // Names contain slashes, percent-encoded or not.
        .service(post("/v1/admin/actors/{name:.+}/restart").route(web::post().to(admin::actors::restart)))
        .service(get("/v1/admin/lost-numbers").route(web::get().to(admin::lost_numbers::list)))
        .service(
            post("/v1/admin/lost-numbers/{coupon_id}/write-off")
                .route(web::post().to(admin::lost_numbers::write_off)),
        )
        .service(post("/v1/admin/reconcile").route(web::post().to(admin::reconcile::reconcile)));
}

/// Routes for probes and Prometheus; on every node.
fn health_routes(config: &mut web::ServiceConfig) {
    config
        .service(
            at("/livez", "GET, HEAD").route(web::get().to(health::live)).route(web::head().to(health::live)),
        )
        .service(
            at("/readyz", "GET, HEAD")
                .route(web::get().to(health::ready))
                .route(web::head().to(health::ready)),
        )
        .service(get("/metrics").route(web::get().to(health::metrics)))
        .default_service(web::to(no_route));
}

/// Names the methods of the path in `Allow`.
async fn wrong_method(methods: &'static str) -> actix_web::HttpResponse {
    let mut response = Problem::method_not_allowed().error_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// Tells a client that requests a coupon from a node without the role api to call another node.
async fn no_route(request: HttpRequest) -> actix_web::HttpResponse {
    let state = request.app_data::<web::Data<AppState>>();
    let lacks_api = state.is_some_and(|state| !state.serves_api);
    let is_api_path = request.path() == "/v1/coupons" || request.path().starts_with("/v1/coupons/");
    let problem = if lacks_api && is_api_path { Problem::no_api_here() } else { Problem::no_such_route() };
    problem.error_response()
}
