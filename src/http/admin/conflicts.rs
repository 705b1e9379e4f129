//! Conflicts: issuances in quarantine because they contradict a row, and settling them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Timestamp;
use crate::http::extract::{self, QueryResult};
use crate::http::operators::Operator;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::ports::{ConflictFilter, ConflictId, KeptConflict, QuarantineError};

const LIMIT_MAX: u32 = 1_000;

/// An issuance that arrived from the queue and contradicts a row of the database. The database keeps both.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ConflictBody {
    #[schema(example = 1)]
    id: ConflictId,
    coupon_id: String,
    member_id: String,
    sequence: u32,
    #[schema(example = "7ZQ4M-0RBX2-9KD3H-VWC81")]
    code: String,
    #[schema(value_type = String)]
    issued_at: Timestamp,
    /// The rows that it contradicts, as text.
    held: String,
    /// The time of its first arrival.
    #[schema(value_type = String)]
    noticed_at: Timestamp,
    /// The time at which an operator settled it.
    #[schema(value_type = Option<String>)]
    settled_at: Option<Timestamp>,
    /// The note of that operator.
    note: Option<String>,
}

/// The settlement of a conflict.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SettleBody {
    /// The finding and the action taken: one line of up to 500 characters. It is kept for good.
    #[schema(example = "kim was given another coupon; ticket 4711")]
    note: String,
}

impl From<KeptConflict> for ConflictBody {
    fn from(kept: KeptConflict) -> Self {
        let KeptConflict { id, conflict, noticed_at, settlement } = kept;
        let (settled_at, note) = settlement.map(|settlement| (settlement.at, settlement.note)).unzip();
        let arrived = conflict.arrived;
        Self {
            id,
            coupon_id: arrived.coupon_id.to_string(),
            member_id: arrived.member_id.as_str().to_owned(),
            sequence: arrived.sequence,
            code: arrived.code.as_str().to_owned(),
            issued_at: arrived.issued_at,
            held: conflict.held,
            noticed_at,
            settled_at,
            note,
        }
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ConflictsQuery {
    /// Conflicts of this coupon only.
    coupon_id: Option<String>,
    /// List settled conflicts instead of unsettled ones.
    #[serde(default)]
    settled: bool,
    /// The last id of the previous page.
    after: Option<ConflictId>,
    /// Length of the list, up to 1000; 100 if left out.
    limit: Option<u32>,
}

impl ConflictsQuery {
    fn filter(self) -> Result<ConflictFilter, Problem> {
        let limit = extract::limit(self.limit, LIMIT_MAX)?;
        let coupon = self.coupon_id.as_deref().map(extract::coupon_id).transpose()?;
        Ok(ConflictFilter { coupon, are_settled: self.settled, after: self.after.unwrap_or(0), limit })
    }
}

impl From<QuarantineError> for Problem {
    fn from(error: QuarantineError) -> Self {
        Self::write_failed("database", error)
    }
}

fn read_failed(error: QuarantineError) -> Problem {
    Problem::read_failed("database", error)
}

/// Parses the id in a path. Text that is not a number is an unknown id.
fn conflict_id(path: &str) -> Result<ConflictId, Problem> {
    path.parse().map_err(|_| Problem::no_such_conflict())
}

/// List conflicts (operators).
///
/// Issuances that arrived and contradict a row of the database. They never change a row.
#[utoipa::path(
    get, path = "/v1/admin/conflicts", operation_id = "list_conflicts", tag = "operators", security(("operator" = [])), params(ConflictsQuery),
    responses(
        (status = 200, description = "The conflicts, oldest first", body = [ConflictBody]),
    )
)]
pub(in crate::http) async fn list(
    state: web::Data<AppState>,
    _: Operator,
    query: QueryResult<ConflictsQuery>,
) -> Result<HttpResponse, Problem> {
    let filter = extract::query(query)?.filter()?;
    let found = state.quarantine.conflicts(&filter).await.map_err(read_failed)?;
    Ok(HttpResponse::Ok().json(found.into_iter().map(ConflictBody::from).collect::<Vec<_>>()))
}

/// Show a conflict (operators).
#[utoipa::path(
    get, path = "/v1/admin/conflicts/{id}", operation_id = "show_conflict", tag = "operators", security(("operator" = [])),
    params(("id" = i64, Path, description = "The conflict's id")),
    responses(
        (status = 200, description = "The conflict", body = ConflictBody),
        (status = 404, description = "`no_such_conflict`"),
    )
)]
pub(in crate::http) async fn show(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let found = state.quarantine.conflict(conflict_id(&path)?).await.map_err(read_failed)?;
    let conflict = found.ok_or_else(Problem::no_such_conflict)?;
    Ok(HttpResponse::Ok().json(ConflictBody::from(conflict)))
}

/// Settle a conflict (operators).
///
/// The conflict is kept, with the note. `reconcile` and `verify` no longer count it, and the same issuance raises no
/// alarm when it arrives again. Settling changes no row, and can be repeated with the same note.
#[utoipa::path(
    post, path = "/v1/admin/conflicts/{id}/settle", tag = "operators", security(("operator" = [])),
    params(("id" = i64, Path, description = "The conflict's id")), request_body = SettleBody,
    responses(
        (status = 200, description = "The settled conflict", body = ConflictBody),
        (status = 404, description = "`no_such_conflict`"),
        (status = 409, description = "`already_settled`, with another note"),
        (status = 422, description = "`invalid_note`"),
    )
)]
pub(in crate::http) async fn settle(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = extract::body(&request, payload).await?;
    let SettleBody { note } = extract::json(&body)?;
    let note = extract::note(&note)?;
    let settled = state.quarantine.settle(conflict_id(&path)?, &note).await?;
    let settled = ConflictBody::from(settled.ok_or_else(Problem::no_such_conflict)?);
    if settled.note.as_deref() != Some(note.as_str()) {
        return Err(Problem::already_settled());
    }
    tracing::warn!(conflict = %path, note = note.as_str(), "an operator settled a conflict");
    Ok(HttpResponse::Ok().json(settled))
}
