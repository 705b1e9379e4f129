//! The live stream of snapshots of this node.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

use crate::http::live::{LISTENERS_MAX, Snapshot};
use crate::http::operators::Operator;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Watch this node, live (operators).
///
/// Server-sent events: a `snapshot` every second, with data of this schema; a comment after five seconds without a
/// snapshot; a `goodbye` when the node shuts down. A node serves at most 16 streams.
#[utoipa::path(
    get, path = "/v1/admin/events", tag = "operators", security(("operator" = [])),
    responses(
        (status = 200, description = "Events until the client closes the connection", body = Snapshot,
            content_type = "text/event-stream"),
    )
)]
pub(in crate::http) async fn watch(state: web::Data<AppState>, _: Operator) -> Result<HttpResponse, Problem> {
    if state.is_draining() {
        return Err(Problem::unavailable("the node is shutting down"));
    }
    let listener = state.live.listen().ok_or_else(|| {
        Problem::unavailable(format!("this node already serves {LISTENERS_MAX} streams, which is the limit"))
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Otherwise NGINX buffers events.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(listener.events()))
}
