//! Comparing engine, outbox and database at once, because an operator asks for it.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::actors::reconcile::{DriftReport, ReconcileError, RepairMode, Unwatched};
use crate::http::extract;
use crate::http::operators::Operator;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::AppState;

/// What is to be compared.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ReconcileQuery {
    /// This coupon only.
    coupon_id: Option<String>,
    /// Whether nothing is to be repaired.
    #[serde(default)]
    dry_run: bool,
}

/// Compare engine, outbox and database, and repair what is safe (operators).
///
/// It takes about as long as reading everything; hanging up ends it, and does no harm.
#[utoipa::path(
    post, path = "/v1/admin/reconcile", tag = "admin", params(ReconcileQuery), security(("operator" = [])),
    responses(
        (status = 200, description = "What was found", body = DriftReport),
        (status = 404, description = "`no_such_coupon`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "`busy`: another run is under way on this node", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn reconcile(
    state: web::Data<AppState>,
    _: Operator,
    query: Result<web::Query<ReconcileQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let query = query.map_err(|error| Problem::invalid_parameter(error.to_string()))?.into_inner();
    let only = query.coupon_id.as_deref().map(extract::coupon_id).transpose()?;
    let mode = if query.dry_run { RepairMode::ReportOnly } else { RepairMode::Repair };
    let report = state.reconciler.run(only.as_ref(), mode, &mut Unwatched).await.map_err(problem)?;
    Ok(HttpResponse::Ok().json(report))
}

fn problem(error: ReconcileError) -> Problem {
    match error {
        ReconcileError::NoSuchCoupon(_) => Problem::no_such_coupon(),
        ReconcileError::Busy => Problem::busy("another run is under way on this node; it tells its findings"),
        ReconcileError::Unavailable(why) => {
            Problem::unavailable("not everything answered; nothing is wrong by that, ask again").because(why)
        }
    }
}
