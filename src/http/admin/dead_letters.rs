//! Dead letters: listing, replaying and discarding messages that could not be written.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Timestamp;
use crate::http::extract::{self, QueryResult};
use crate::http::operators::Operator;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::ports::{DeadLetter, DeadLetterError, DeadLetters, LetterCounts, LetterEvent};

/// Upper bound of a list, and of the letters that one call replays.
const LIMIT_MAX: usize = 1_000;
/// Upper bound of an operator's reason, in characters.
const REASON_MAX: usize = 500;

/// A dead letter without its payload.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LetterSummary {
    /// The code of its issuance, or a hash of its bytes if they cannot be read.
    #[schema(example = "7ZQ4M-0RBX2-9KD3H-VWC81")]
    id: String,
    /// Absent if it cannot be read.
    coupon_id: Option<String>,
    member_id: Option<String>,
    sequence: Option<u32>,
    /// The time at which it first became a dead letter.
    #[schema(value_type = Option<String>)]
    died_at: Option<Timestamp>,
    /// The reason for which it last became a dead letter.
    reason: String,
    /// The events of its history, oldest first.
    history: Vec<LetterEventBody>,
    /// The number of copies; more than 1 after a crash while the letter was set aside or replayed.
    #[schema(example = 1)]
    copies: usize,
    payload_bytes: usize,
}

/// A dead letter with its payload.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LetterBody {
    #[serde(flatten)]
    letter: LetterSummary,
    /// The payload if it is text, cut off after 16 KiB.
    payload: Option<String>,
}

/// An event in the history of a dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LetterEventBody {
    /// `rejected` by a persister, `given_up` by the broker after too many deliveries, or `replayed`.
    #[schema(value_type = String, example = "rejected")]
    what: &'static str,
    #[schema(value_type = Option<String>)]
    at: Option<Timestamp>,
    reason: String,
    /// The queue, if the broker names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    /// The number of times that the event happened.
    count: u64,
}

/// The result of a replay.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::http) struct ReplayedBody {
    /// The number of letters that are in the queue again, each once even if it had several copies.
    replayed: usize,
    /// The number of dead letters left.
    left: usize,
}

/// The result of a discard.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DiscardedBody {
    #[serde(flatten)]
    letter: LetterBody,
    /// The number of letters discarded, with all their copies.
    discarded: usize,
    /// The number of dead letters left.
    left: usize,
}

impl From<LetterEvent> for LetterEventBody {
    fn from(event: LetterEvent) -> Self {
        let LetterEvent { what, at, reason, queue, count } = event;
        Self { what: what.as_str(), at, reason, queue, count }
    }
}

impl From<DeadLetter> for LetterSummary {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id,
            coupon_id: letter.coupon_id.map(|id| id.to_string()),
            member_id: letter.member_id.map(|id| id.as_str().to_owned()),
            sequence: letter.sequence,
            died_at: letter.died_at,
            reason: letter.reason,
            history: letter.history.into_iter().map(Into::into).collect(),
            copies: letter.copies,
            payload_bytes: letter.payload_bytes,
        }
    }
}

impl From<DeadLetter> for LetterBody {
    fn from(mut letter: DeadLetter) -> Self {
        let payload = letter.payload.take();
        Self { letter: letter.into(), payload }
    }
}

impl From<LetterCounts> for ReplayedBody {
    fn from(counts: LetterCounts) -> Self {
        Self { replayed: counts.done, left: counts.left }
    }
}

impl DiscardedBody {
    fn new(letter: DeadLetter, counts: LetterCounts) -> Self {
        Self { letter: letter.into(), discarded: counts.done, left: counts.left }
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct LimitQuery {
    /// Number of letters, oldest first, up to 1000; 100 if left out.
    limit: Option<usize>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ReasonQuery {
    /// The reason for discarding the letter, for the log; up to 500 characters.
    reason: Option<String>,
}

impl From<DeadLetterError> for Problem {
    fn from(error: DeadLetterError) -> Self {
        match error {
            DeadLetterError::Busy => {
                Self::unavailable("another operator's call uses the dead letters; try again")
                    .with_cause(error)
            }
            DeadLetterError::Unavailable(_) => Self::write_failed("broker", error),
        }
    }
}

fn read_failed(error: DeadLetterError) -> Problem {
    match error {
        DeadLetterError::Busy => error.into(),
        DeadLetterError::Unavailable(_) => Problem::read_failed("broker", error),
    }
}

fn dead_letters(state: &AppState) -> Result<&dyn DeadLetters, Problem> {
    state.dead_letters.as_deref().ok_or_else(|| Problem::no_such_letter(NO_QUEUE))
}

const NO_QUEUE: &str = "this engine has no queue and no dead letters";
const UNKNOWN_ID: &str = "there is no dead letter with this id; see /v1/admin/dead-letters";

/// List dead letters (operators).
///
/// Listing changes nothing. An engine without a queue has no dead letters.
#[utoipa::path(
    get, path = "/v1/admin/dead-letters", operation_id = "list_dead_letters", tag = "operators", security(("operator" = [])), params(LimitQuery),
    responses(
        (status = 200, description = "The dead letters, oldest first", body = [LetterSummary]),
    )
)]
pub(in crate::http) async fn list(
    state: web::Data<AppState>,
    _: Operator,
    query: QueryResult<LimitQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = extract::limit(extract::query(query)?.limit, LIMIT_MAX)?;
    let found = match &state.dead_letters {
        Some(letters) => letters.list(limit).await.map_err(read_failed)?,
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
        (status = 404, description = "`no_such_letter`"),
    )
)]
pub(in crate::http) async fn show(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let found = dead_letters(&state)?.find(&path).await.map_err(read_failed)?;
    let letter = found.ok_or_else(|| Problem::no_such_letter(UNKNOWN_ID))?;
    Ok(HttpResponse::Ok().json(LetterBody::from(letter)))
}

/// Put a dead letter back into the queue (operators).
///
/// Safe to repeat: the database takes an issuance once. A letter that fails again becomes a dead letter with a longer
/// history.
#[utoipa::path(
    post, path = "/v1/admin/dead-letters/{id}/replay", tag = "operators", security(("operator" = [])),
    params(("id" = String, Path, description = "The letter's id")),
    responses(
        (status = 200, description = "The letter is in the queue", body = ReplayedBody),
        (status = 404, description = "`no_such_letter`"),
    )
)]
pub(in crate::http) async fn replay(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let replayed = dead_letters(&state)?.replay(&path).await?;
    let replayed = replayed.ok_or_else(|| Problem::no_such_letter(UNKNOWN_ID))?;
    tracing::warn!(letter = %path, "an operator replayed a dead letter: it is in the queue again");
    state.metrics.letters_replayed.inc_by(replayed.done as u64);
    Ok(HttpResponse::Ok().json(ReplayedBody::from(replayed)))
}

/// Put the oldest dead letters back into the queue (operators).
#[utoipa::path(
    post, path = "/v1/admin/dead-letters/replay", tag = "operators", security(("operator" = [])),
    params(LimitQuery),
    responses(
        (status = 200, description = "The letters are in the queue", body = ReplayedBody),
    )
)]
pub(in crate::http) async fn replay_all(
    state: web::Data<AppState>,
    _: Operator,
    query: QueryResult<LimitQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = extract::limit(extract::query(query)?.limit, LIMIT_MAX)?;
    let Some(letters) = &state.dead_letters else {
        return Ok(HttpResponse::Ok().json(ReplayedBody::default()));
    };
    let replayed = letters.replay_all(limit).await?;
    tracing::warn!(
        letters = replayed.done,
        left = replayed.left,
        "an operator replayed dead letters: they are in the queue again"
    );
    state.metrics.letters_replayed.inc_by(replayed.done as u64);
    Ok(HttpResponse::Ok().json(ReplayedBody::from(replayed)))
}

/// Discard a dead letter for good (operators).
///
/// The response contains the letter; the log contains it without its payload.
#[utoipa::path(
    delete, path = "/v1/admin/dead-letters/{id}", tag = "operators", security(("operator" = [])),
    params(("id" = String, Path, description = "The letter's id"), ReasonQuery),
    responses(
        (status = 200, description = "The discarded letter", body = DiscardedBody),
        (status = 404, description = "`no_such_letter`"),
    )
)]
pub(in crate::http) async fn discard(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
    query: QueryResult<ReasonQuery>,
) -> Result<HttpResponse, Problem> {
    let query = extract::query(query)?;
    let reason = query.reason.as_deref().unwrap_or("none given");
    if reason.chars().count() > REASON_MAX {
        return Err(Problem::invalid_parameter(format!("a reason has at most {REASON_MAX} characters")));
    }
    let discarded = dead_letters(&state)?.discard(&path).await?;
    let (letter, counts) = discarded.ok_or_else(|| Problem::no_such_letter(UNKNOWN_ID))?;
    tracing::warn!(
        letter = %letter.id, coupon = letter.coupon_id.as_ref().map(tracing::field::display),
        member = letter.member_id.as_ref().map(tracing::field::display), sequence = letter.sequence,
        died_of = %letter.reason, copies = letter.copies, %reason, "an operator discarded a dead letter: it is gone for good"
    );
    state.metrics.letters_discarded.inc_by(counts.done as u64);
    Ok(HttpResponse::Ok().json(DiscardedBody::new(letter, counts)))
}
