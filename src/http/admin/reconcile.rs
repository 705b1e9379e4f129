//! A reconcile run on an operator's request.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::actors::reconcile::{DriftReport, ReconcileError, RepairMode, Unwatched};
use crate::http::extract::{self, QueryResult};
use crate::http::operators::Operator;
use crate::http::problem::Problem;
use crate::http::state::AppState;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ReconcileQuery {
    /// Compare this coupon only.
    coupon_id: Option<String>,
    /// Compare only, and repair nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Compare engine, outbox and database, and repair what is safe (operators).
///
/// A run takes about as long as reading all data. Closing the connection ends it and does no harm.
#[utoipa::path(
    post, path = "/v1/admin/reconcile", tag = "admin", params(ReconcileQuery), security(("operator" = [])),
    responses(
        (status = 200, description = "The findings", body = DriftReport),
        (status = 404, description = "`no_such_coupon`"),
        (status = 409, description = "`busy`: another run is in progress on this node"),
    )
)]
pub(in crate::http) async fn reconcile(
    state: web::Data<AppState>,
    _: Operator,
    query: QueryResult<ReconcileQuery>,
) -> Result<HttpResponse, Problem> {
    let query = extract::query(query)?;
    let only = query.coupon_id.as_deref().map(extract::coupon_id).transpose()?;
    let mode = if query.dry_run { RepairMode::ReportOnly } else { RepairMode::Repair };
    let report = state.reconciler.run(only.as_ref(), mode, &mut Unwatched).await.map_err(problem)?;
    Ok(HttpResponse::Ok().json(report))
}

fn problem(error: ReconcileError) -> Problem {
    match error {
        ReconcileError::NoSuchCoupon(_) => Problem::no_such_coupon(),
        ReconcileError::Busy => Problem::busy("another run is in progress on this node; try again later"),
        ReconcileError::Unavailable(cause) => {
            Problem::unavailable("engine, outbox or database did not answer; nothing is damaged, try again")
                .with_cause(cause)
        }
    }
}
