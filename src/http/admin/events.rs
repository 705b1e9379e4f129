//! The node as it is watched, live.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

use crate::http::live::{LISTENERS_MAX, Snapshot};
use crate::http::operators::Operator;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Watch this node, live (operators).
///
/// Server-sent events: a `snapshot` a second, whose data is in the schema; a comment after five seconds without one; a
/// `goodbye` when the node shuts down. At most 16 may watch a node at once.
#[utoipa::path(
    get, path = "/v1/admin/events", tag = "operators", security(("operator" = [])),
    responses(
        (status = 200, description = "Events until the caller hangs up", body = Snapshot,
            content_type = "text/event-stream"),
    )
)]
pub(in crate::http) async fn watch(state: web::Data<AppState>, _: Operator) -> Result<HttpResponse, Problem> {
    if state.is_draining() {
        return Err(Problem::unavailable("the node is shutting down"));
    }
    let listener = state.live.listen().ok_or_else(|| {
        Problem::unavailable(format!("{LISTENERS_MAX} watch this node already, which is as many as may"))
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // NGINX would otherwise wait for more than one event.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(listener.events()))
}
