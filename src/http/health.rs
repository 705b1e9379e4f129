//! Whether the node lives, whether it can serve, and its metrics.

use std::time::Duration;

use actix_web::{HttpResponse, web};

use super::problem::{Problem, ProblemBody};
use super::state::AppState;

/// How long the engine may take before the node counts as not ready.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// Whether the process answers at all.
#[utoipa::path(get, path = "/livez", tag = "health",
    responses((status = 200, description = "It lives", body = String, content_type = "text/plain")))]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Whether the node does what it is there for: it is not shutting down, no actor stays down, and the engine answers.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses(
        (status = 200, description = "It can serve", body = String, content_type = "text/plain"),
        (status = 503, description = "`actors_failed` (their names are in `actors`), `unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn ready(state: web::Data<AppState>) -> Result<&'static str, Problem> {
    if state.is_draining() {
        return Err(Problem::unavailable("the node is shutting down"));
    }
    let failed = state.actors.failed();
    if !failed.is_empty() {
        return Err(Problem::actors_failed(failed));
    }
    match tokio::time::timeout(READY_WITHIN, state.engine.revision()).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the engine does not answer");
            Err(Problem::unavailable("the engine does not answer"))
        }
        Err(_elapsed) => Err(Problem::unavailable("the engine does not answer in time")),
    }
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain; version=0.0.4")))]
pub(super) async fn metrics(state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.metrics.render())
}
