//! Dead letters: what could not be written, why, and sending it on its way again or dropping it.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::letter_bodies::{DiscardedBody, LetterBody, LetterSummary, ReplayedBody};
use crate::http::operators::Operator;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::AppState;
use crate::ports::{DeadLetterError, DeadLetters};

/// The most letters in one answer, or replayed by one call.
const LIMIT_MAX: usize = 1_000;
/// The most characters of an operator's reason.
const REASON_MAX: usize = 500;

/// How many.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct LimitQuery {
    /// How many at most, the oldest first, up to 1000; 100 if left out.
    limit: Option<usize>,
}

impl LimitQuery {
    fn limit(query: Result<web::Query<Self>, actix_web::Error>) -> Result<usize, Problem> {
        let query = query.map_err(|error| Problem::invalid_parameter(error.to_string()))?;
        let limit = query.limit.unwrap_or(100);
        if (1..=LIMIT_MAX).contains(&limit) {
            Ok(limit)
        } else {
            Err(Problem::invalid_parameter(format!("limit must be between 1 and {LIMIT_MAX}")))
        }
    }
}

/// Why.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ReasonQuery {
    /// Why it is dropped, for the log; up to 500 characters.
    reason: Option<String>,
}

impl From<DeadLetterError> for Problem {
    fn from(error: DeadLetterError) -> Self {
        let detail = match error {
            DeadLetterError::Busy => "another operator holds the dead letters; ask again",
            DeadLetterError::Unavailable(_) => {
                "the broker did not answer; it may be done or not, repeat the call"
            }
        };
        Self::unavailable(detail).because(error)
    }
}

/// A read has changed nothing, whoever did not answer.
fn reading(error: DeadLetterError) -> Problem {
    match error {
        DeadLetterError::Busy => error.into(),
        DeadLetterError::Unavailable(_) => {
            Problem::unavailable("the broker did not answer; ask again").because(error)
        }
    }
}

/// The letters of this node, or the answer that there can be none.
fn letters(state: &AppState) -> Result<&dyn DeadLetters, Problem> {
    state.letters.as_deref().ok_or_else(|| Problem::no_such_letter(NONE_AT_ALL))
}

const NONE_AT_ALL: &str = "the embedded engine has no queue, and so no dead letters";
const NOT_THIS: &str = "there is no dead letter of this id; see /v1/admin/dead-letters";

/// List dead letters (operators).
///
/// Looking at them changes nothing. On the embedded engine there are none.
#[utoipa::path(
    get, path = "/v1/admin/dead-letters", operation_id = "list_dead_letters", tag = "operators", security(("operator" = [])), params(LimitQuery),
    responses(
        (status = 200, description = "The oldest first", body = [LetterSummary]),
    )
)]
pub(in crate::http) async fn list(
    state: web::Data<AppState>,
    _: Operator,
    query: Result<web::Query<LimitQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let limit = LimitQuery::limit(query)?;
    let found = match &state.letters {
        Some(letters) => letters.list(limit).await.map_err(reading)?,
        None => Vec::new(),
    };
    Ok(HttpResponse::Ok().json(found.into_iter().map(LetterSummary::from).collect::<Vec<_>>()))
}

/// Show a dead letter with its payload (operators).
#[utoipa::path(
    get, path = "/v1/admin/dead-letters/{id}", operation_id = "show_dead_letter", tag = "operators", security(("operator" = [])),
    params(("id" = String, Path, description = "The letter's id")),
    responses(
        (status = 200, description = "The letter", body = LetterBody),
        (status = 404, description = "`no_such_letter`", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn show(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let found = letters(&state)?
        .find(&path)
        .await
        .map_err(reading)?
        .ok_or_else(|| Problem::no_such_letter(NOT_THIS))?;
    Ok(HttpResponse::Ok().json(LetterBody::from(found)))
}

/// Send a dead letter on its way again (operators).
///
/// Safe to repeat: the database takes an issuance once. If it fails again, it comes back with a longer history.
#[utoipa::path(
    post, path = "/v1/admin/dead-letters/{id}/replay", tag = "operators", security(("operator" = [])),
    params(("id" = String, Path, description = "The letter's id")),
    responses(
        (status = 200, description = "It is in the queue again", body = ReplayedBody),
        (status = 404, description = "`no_such_letter`", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn replay(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let done = letters(&state)?.replay(&path).await?.ok_or_else(|| Problem::no_such_letter(NOT_THIS))?;
    tracing::warn!(letter = %path, "an operator replays a dead letter");
    state.metrics.letters_replayed.inc_by(done.done as u64);
    Ok(HttpResponse::Ok().json(ReplayedBody::from(done)))
}

/// Send the oldest dead letters on their way again (operators).
#[utoipa::path(
    post, path = "/v1/admin/dead-letters/replay", tag = "operators", security(("operator" = [])),
    params(LimitQuery),
    responses(
        (status = 200, description = "They are in the queue again", body = ReplayedBody),
    )
)]
pub(in crate::http) async fn replay_all(
    state: web::Data<AppState>,
    _: Operator,
    query: Result<web::Query<LimitQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let limit = LimitQuery::limit(query)?;
    let Some(letters) = &state.letters else { return Ok(HttpResponse::Ok().json(ReplayedBody::default())) };
    let done = letters.replay_all(limit).await?;
    tracing::warn!(letters = done.done, left = done.left, "an operator replays dead letters");
    state.metrics.letters_replayed.inc_by(done.done as u64);
    Ok(HttpResponse::Ok().json(ReplayedBody::from(done)))
}

/// Drop a dead letter for good (operators).
///
/// What it said is in the answer, and, but for its payload, in the log.
#[utoipa::path(
    delete, path = "/v1/admin/dead-letters/{id}", tag = "operators", security(("operator" = [])),
    params(("id" = String, Path, description = "The letter's id"), ReasonQuery),
    responses(
        (status = 200, description = "What is gone", body = DiscardedBody),
        (status = 404, description = "`no_such_letter`", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn discard(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
    query: Result<web::Query<ReasonQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let query = query.map_err(|error| Problem::invalid_parameter(error.to_string()))?.into_inner();
    let reason = query.reason.as_deref().unwrap_or("none given");
    if reason.chars().count() > REASON_MAX {
        return Err(Problem::invalid_parameter(format!("a reason has at most {REASON_MAX} characters")));
    }
    let discarded = letters(&state)?.discard(&path).await?;
    let (letter, done) = discarded.ok_or_else(|| Problem::no_such_letter(NOT_THIS))?;
    tracing::warn!(
        letter = %letter.id, coupon = letter.coupon_id.as_ref().map(tracing::field::display),
        member = letter.member_id.as_ref().map(tracing::field::display), sequence = letter.sequence,
        died_of = %letter.reason, copies = letter.copies, %reason, "an operator discards a dead letter"
    );
    state.metrics.letters_discarded.inc_by(done.done as u64);
    Ok(HttpResponse::Ok().json(DiscardedBody::new(letter, done)))
}
