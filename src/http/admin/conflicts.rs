//! Contradictions: issuances that were kept apart because they contradict a row, and settling them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::conflict_bodies::{ConflictBody, SettleBody};
use crate::http::extract;
use crate::http::operators::Operator;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::AppState;
use crate::ports::{ConflictId, QuarantineError, WhichConflicts};

/// The most contradictions in one answer.
const LIMIT_MAX: u32 = 1_000;

/// Which ones.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ConflictsQuery {
    /// Those of this coupon only.
    coupon_id: Option<String>,
    /// Those that are settled, instead of those that are not.
    #[serde(default)]
    settled: bool,
    /// The last id of the page before.
    after: Option<ConflictId>,
    /// How many at most, the oldest first, up to 1000; 100 if left out.
    limit: Option<u32>,
}

impl ConflictsQuery {
    fn which(query: Result<web::Query<Self>, actix_web::Error>) -> Result<WhichConflicts, Problem> {
        let query = query.map_err(|error| Problem::invalid_parameter(error.to_string()))?.into_inner();
        let limit = query.limit.unwrap_or(100);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::invalid_parameter(format!("limit must be between 1 and {LIMIT_MAX}")));
        }
        let coupon = query.coupon_id.as_deref().map(extract::coupon_id).transpose()?;
        Ok(WhichConflicts { coupon, are_settled: query.settled, after: query.after.unwrap_or(0), limit })
    }
}

impl From<QuarantineError> for Problem {
    fn from(error: QuarantineError) -> Self {
        Self::unavailable("the database did not answer; it may be done or not, repeat the call")
            .because(error)
    }
}

/// A read has changed nothing, whoever did not answer.
fn reading(error: QuarantineError) -> Problem {
    Problem::unavailable("the database did not answer; ask again").because(error)
}

/// The number in a path. What is no number names none either.
fn number(path: &str) -> Result<ConflictId, Problem> {
    path.parse().map_err(|_| Problem::no_such_conflict())
}

/// List contradictions (operators).
///
/// Issuances that arrived and contradict a row; rows are never changed by them. Those that nobody has settled, unless
/// asked otherwise.
#[utoipa::path(
    get, path = "/v1/admin/conflicts", operation_id = "list_conflicts", tag = "operators", security(("operator" = [])), params(ConflictsQuery),
    responses(
        (status = 200, description = "The oldest first", body = [ConflictBody]),
    )
)]
pub(in crate::http) async fn list(
    state: web::Data<AppState>,
    _: Operator,
    query: Result<web::Query<ConflictsQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let found = state.quarantine.conflicts(&ConflictsQuery::which(query)?).await.map_err(reading)?;
    Ok(HttpResponse::Ok().json(found.into_iter().map(ConflictBody::from).collect::<Vec<_>>()))
}

/// Show a contradiction (operators).
#[utoipa::path(
    get, path = "/v1/admin/conflicts/{id}", operation_id = "show_conflict", tag = "operators", security(("operator" = [])),
    params(("id" = i64, Path, description = "The contradiction's number")),
    responses(
        (status = 200, description = "The contradiction", body = ConflictBody),
        (status = 404, description = "`no_such_conflict`", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn show(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let found = state
        .quarantine
        .conflict(number(&path)?)
        .await
        .map_err(reading)?
        .ok_or_else(Problem::no_such_conflict)?;
    Ok(HttpResponse::Ok().json(ConflictBody::from(found)))
}

/// Settle a contradiction (operators).
///
/// It stays, with the note, but `reconcile` and `verify` no longer count it, and the very same raises no alarm when it
/// arrives again. It changes no row. Safe to repeat with the same note.
#[utoipa::path(
    post, path = "/v1/admin/conflicts/{id}/settle", tag = "operators", security(("operator" = [])),
    params(("id" = i64, Path, description = "The contradiction's number")), request_body = SettleBody,
    responses(
        (status = 200, description = "It is settled", body = ConflictBody),
        (status = 404, description = "`no_such_conflict`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "`already_settled`, with another note", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_note`", body = ProblemBody, content_type = "application/problem+json"),
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
    let said: SettleBody = extract::json(&body)?;
    let note = extract::note(&said.note)?;
    let settled = state.quarantine.settle(number(&path)?, &note).await?;
    let settled = ConflictBody::from(settled.ok_or_else(Problem::no_such_conflict)?);
    if !settled.says(&note) {
        return Err(Problem::already_settled());
    }
    tracing::warn!(conflict = %path, note = note.as_str(), "an operator settles a contradiction");
    Ok(HttpResponse::Ok().json(settled))
}
