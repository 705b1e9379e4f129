//! Liveness, readiness and metrics.

use std::time::Duration;

use actix_web::{HttpResponse, web};

use super::problem::Problem;
use super::state::AppState;

/// Time for the engine to answer before the node counts as not ready.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// Liveness: the process answers.
#[utoipa::path(get, path = "/livez", tag = "health",
    responses((status = 200, description = "The process answers", body = String, content_type = "text/plain")))]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Readiness: the node is not shutting down, no actor has failed, and the engine answers.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses(
        (status = 200, description = "The node can serve requests", body = String, content_type = "text/plain"),
        (status = 503, description = "`actors_failed` (their names are in `actors`), `unavailable`"),
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
            tracing::warn!(%error, "the engine does not answer: the node reports that it is not ready");
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
