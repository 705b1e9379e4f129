//! Lost numbers: sequences that were issued and have no known holder. Listing them, and writing them off.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Timestamp;
use crate::http::extract;
use crate::http::operators::Operator;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::ports::{Loss, LossError, Permission};

const LIST_MAX: u32 = 1_000;

/// The lost numbers of a coupon, for which its recovery waits.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LossBody {
    coupon_id: String,
    /// The number of lost numbers.
    count: u32,
    /// The smallest lost number.
    first: u32,
    /// The largest number that is known to have been issued.
    issued: u32,
    #[schema(value_type = String)]
    noticed_at: Timestamp,
    /// Whether an operator has permitted to write them off; the recovery does so within seconds.
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

/// The permission to write off the lost numbers of a coupon.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct WriteOff {
    /// The `count` of the list; another count is refused.
    count: u32,
    /// The reason, which is kept: one line of up to 500 characters.
    note: String,
}

impl From<LossError> for Problem {
    fn from(error: LossError) -> Self {
        Self::write_failed("database", error)
    }
}

/// List the coupons with lost numbers (operators).
///
/// A number is lost if Redis loses its files and a node dies at the same time: it was issued, and its holder is not
/// known any more. The coupon does not open until the numbers are found or written off. Engines without Redis lose none.
#[utoipa::path(
    get, path = "/v1/admin/lost-numbers", operation_id = "list_lost_numbers", tag = "operators", security(("operator" = [])),
    responses(
        (status = 200, description = "At most 1,000 coupons, by id", body = [LossBody]),
    )
)]
pub(in crate::http) async fn list(state: web::Data<AppState>, _: Operator) -> Result<HttpResponse, Problem> {
    let found = match &state.lost_numbers {
        Some(lost) => lost.list(LIST_MAX).await.map_err(|error| Problem::read_failed("database", error))?,
        None => Vec::new(),
    };
    Ok(HttpResponse::Ok().json(found.into_iter().map(LossBody::from).collect::<Vec<_>>()))
}

/// Write off lost numbers, so that the coupon opens again (operators).
///
/// The numbers count as issued and are not issued again, because their holders may have received them. First check
/// whether the files of Redis can be restored. Safe to repeat.
#[utoipa::path(
    post, path = "/v1/admin/lost-numbers/{coupon_id}/write-off", tag = "operators", security(("operator" = [])),
    params(("coupon_id" = String, Path, description = "The coupon's id")), request_body = WriteOff,
    responses(
        (status = 202, description = "The numbers will be written off within seconds", body = LossBody),
        (status = 409, description = "`nothing_lost`, `other_count`"),
        (status = 422, description = "`invalid_note`"),
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
    let permission = match &state.lost_numbers {
        Some(lost) => lost.permit(&coupon, count, &note).await?,
        None => Permission::NothingLost,
    };
    match permission {
        Permission::Given(loss) => {
            tracing::warn!(
                %coupon, count, first = loss.first, note = %note.as_str(),
                "an operator permitted to write off lost numbers: the recovery will do so within seconds"
            );
            Ok(HttpResponse::Accepted().json(LossBody::from(loss)))
        }
        Permission::OtherCount(loss) => Err(Problem::other_count(loss.count, loss.first)),
        Permission::NothingLost => Err(Problem::nothing_lost()),
    }
}
