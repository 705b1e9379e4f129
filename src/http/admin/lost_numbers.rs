//! Numbers that were issued and of which nobody knows the holder any more: what is lost, and writing it off.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Timestamp;
use crate::http::extract;
use crate::http::operators::Operator;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::AppState;
use crate::ports::{Loss, LossError, Permission};

/// The most coupons in one answer.
const LIST_MAX: u32 = 1_000;

/// What one coupon's recovery lacks.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LossBody {
    /// Whose numbers they are.
    coupon_id: String,
    /// How many are lost.
    count: u32,
    /// The smallest of them.
    first: u32,
    /// The largest number that is known to have been issued.
    issued: u32,
    /// Since when it is known.
    #[schema(value_type = String)]
    noticed_at: Timestamp,
    /// Whether they may be written off; then they are within seconds.
    permitted: bool,
}

impl From<Loss> for LossBody {
    fn from(loss: Loss) -> Self {
        Self {
            coupon_id: loss.coupon.to_string(),
            count: loss.count,
            first: loss.first,
            issued: loss.last,
            noticed_at: loss.noticed_at,
            permitted: loss.permitted,
        }
    }
}

/// How many are given up, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct WriteOff {
    /// How many are lost, as the list says: another number is refused.
    count: u32,
    /// Why, for the record: one line of up to 500 characters.
    note: String,
}

impl From<LossError> for Problem {
    fn from(error: LossError) -> Self {
        Self::unavailable("the database did not answer; it may be done or not, repeat the call")
            .because(error)
    }
}

/// A read has changed nothing, whoever did not answer.
fn reading(error: LossError) -> Problem {
    Problem::unavailable("the database did not answer; ask again").because(error)
}

/// List the coupons that wait for numbers nobody knows the holder of (operators).
///
/// It happens when Redis lost its files and a node died in the same moments. On an engine that cannot lose any there are
/// none.
#[utoipa::path(
    get, path = "/v1/admin/lost-numbers", operation_id = "list_lost_numbers", tag = "operators", security(("operator" = [])),
    responses(
        (status = 200, description = "In the order of the coupons' ids, 1,000 at most", body = [LossBody]),
    )
)]
pub(in crate::http) async fn list(state: web::Data<AppState>, _: Operator) -> Result<HttpResponse, Problem> {
    let found = match &state.lost {
        Some(lost) => lost.list(LIST_MAX).await.map_err(reading)?,
        None => Vec::new(),
    };
    Ok(HttpResponse::Ok().json(found.into_iter().map(LossBody::from).collect::<Vec<_>>()))
}

/// Write lost numbers off, so that the coupon opens again (operators).
///
/// Nobody gets these numbers any more, and they count as issued: whoever holds one may have been told. Before, look whether
/// Redis's files can be put back. Safe to repeat.
#[utoipa::path(
    post, path = "/v1/admin/lost-numbers/{coupon_id}/write-off", tag = "operators", security(("operator" = [])),
    params(("coupon_id" = String, Path, description = "The coupon's id")), request_body = WriteOff,
    responses(
        (status = 202, description = "It is permitted, and will be done within seconds", body = LossBody),
        (status = 409, description = "`nothing_lost`, `other_count`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_note`", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn write_off(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let coupon = extract::coupon_id(&path)?;
    let body = extract::body(&request, payload).await?;
    let WriteOff { count, note } = extract::json(&body)?;
    let note = extract::note(&note)?;
    let permission = match &state.lost {
        Some(lost) => lost.permit(&coupon, count, &note).await?,
        None => Permission::NothingLost,
    };
    match permission {
        Permission::Given(loss) => {
            tracing::warn!(%coupon, count, first = loss.first, note = %note.as_str(), "an operator writes lost numbers off");
            Ok(HttpResponse::Accepted().json(LossBody::from(loss)))
        }
        Permission::OtherCount(loss) => Err(Problem::other_count(loss.count, loss.first)),
        Permission::NothingLost => Err(Problem::nothing_lost()),
    }
}
