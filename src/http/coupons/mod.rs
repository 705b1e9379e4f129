//! Coupons: what anybody may read of them, and what operators do with them.

mod bodies;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use self::bodies::{CouponPage, CouponView, CreateCoupon, PatchCoupon, amendment, rule};
use super::extract;
use super::operators::Operator;
use super::problem::{Problem, ProblemBody};
use super::state::AppState;
use crate::actors::upkeep::CouponAdminError;
use crate::clock;
use crate::domain::{CodeSalt, CouponId, Inventory, Lifecycle, NewCoupon, SalePeriod, Terms, Timestamp};

/// The most coupons in one page.
const PAGE_MAX: u32 = 500;

/// Which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// The last id of the page before.
    after: Option<String>,
    /// How many at most, up to 500; 100 if left out.
    limit: Option<u32>,
}

/// Create a coupon (operators).
///
/// It can be issued as soon as this has answered. Sending the same again is answered with 200.
#[utoipa::path(
    post, path = "/v1/coupons", tag = "coupons", request_body = CreateCoupon, security(("operator" = [])),
    responses(
        (status = 201, description = "Created", body = CouponView),
        (status = 200, description = "It exists already with these terms", body = CouponView),
        (status = 400, description = "`invalid_body`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`coupon_exists`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_coupon`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    state: web::Data<AppState>,
    _: Operator,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = extract::body(&request, payload).await?;
    let wanted: CreateCoupon = extract::json(&body)?;
    let id = CouponId::parse(&wanted.id).map_err(rule)?;
    let name = wanted.name.as_deref().unwrap_or(id.as_str());
    let new = NewCoupon {
        terms: Terms::new(name, &wanted.description, &wanted.discount).map_err(rule)?,
        inventory: Inventory::new(wanted.total).map_err(rule)?,
        window: opening(&state, &id, wanted.opens_at, wanted.closes_at).await?,
        valid_until: wanted.valid_until,
        id,
    };
    let (coupon, standing, is_new) = state.desk.create(new, fresh_salt()).await?;
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(CouponView::of(&coupon, Some(&standing))))
}

/// The window asked for. Without an opening it begins now, or when the coupon of the same id did: so that saying the
/// same again means the same.
async fn opening(
    state: &AppState,
    id: &CouponId,
    opens_at: Option<Timestamp>,
    closes_at: Option<Timestamp>,
) -> Result<SalePeriod, Problem> {
    let opens_at = match opens_at {
        Some(opens_at) => opens_at,
        None => state.desk.opens_at(id).await?.unwrap_or_else(clock::now),
    };
    SalePeriod::new(opens_at, closes_at).map_err(rule)
}

/// Two version 4 UUIDs carry 244 bits from the operating system's source.
fn fresh_salt() -> CodeSalt {
    let mut salt = [0; 32];
    salt[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    salt[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    CodeSalt::from_bytes(salt)
}

/// A read that found nobody to ask has changed nothing, and is told so.
fn reading(error: CouponAdminError) -> Problem {
    match error {
        CouponAdminError::Unavailable(why) => {
            tracing::warn!(error = %why, "a coupon could not be read");
            Problem::unavailable("the engine or the catalogue did not answer; ask again")
        }
        error => error.into(),
    }
}

/// List coupons.
#[utoipa::path(
    get, path = "/v1/coupons", operation_id = "list_coupons", tag = "coupons", params(PageQuery),
    responses(
        (status = 200, description = "In the order of their ids", body = CouponPage),
        (status = 429, description = "`rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 400, description = "`invalid_parameter`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    state: web::Data<AppState>,
    request: HttpRequest,
    query: Result<web::Query<PageQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let allowance = state.limits.admit(&request, None, || false)?;
    let query = query.map_err(|error| Problem::invalid_parameter(error.to_string()))?.into_inner();
    let limit = query.limit.unwrap_or(100);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::invalid_parameter(format!("limit must be between 1 and {PAGE_MAX}")));
    }
    let after = query.after.as_deref().map(extract::coupon_id).transpose()?;
    let (page, next) = state.desk.list(after.as_ref().map(CouponId::as_str), limit).await.map_err(reading)?;
    let coupons = page.iter().map(|(coupon, standing)| CouponView::of(coupon, standing.as_ref())).collect();
    let mut response = HttpResponse::Ok().json(CouponPage { coupons, next });
    allowance.tell(&mut response);
    Ok(response)
}

/// Read a coupon: its terms and what remains, live.
#[utoipa::path(
    get, path = "/v1/coupons/{coupon_id}", operation_id = "show_coupon", tag = "coupons",
    params(("coupon_id" = String, Path, description = "The coupon's id")),
    responses(
        (status = 200, description = "The coupon", body = CouponView),
        (status = 429, description = "`rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_coupon`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let allowance = state.limits.admit(&request, None, || false)?;
    let (coupon, standing) = state.desk.show(&extract::coupon_id(&path)?).await.map_err(reading)?;
    let mut response = HttpResponse::Ok().json(CouponView::of(&coupon, standing.as_ref()));
    allowance.tell(&mut response);
    Ok(response)
}

/// Change a coupon (operators).
///
/// The total may change at any time, never below what is issued; everything else only before the first issuance.
#[utoipa::path(
    patch, path = "/v1/coupons/{coupon_id}", tag = "coupons", request_body = PatchCoupon,
    security(("operator" = [])), params(("coupon_id" = String, Path, description = "The coupon's id")),
    responses(
        (status = 200, description = "The coupon as it is now", body = CouponView),
        (status = 400, description = "`invalid_body`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_coupon`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "`terms_frozen`, `closed`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_coupon`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn amend(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let id = extract::coupon_id(&path)?;
    let body = extract::body(&request, payload).await?;
    let wanted: PatchCoupon = extract::json(&body)?;
    let (current, _) = state.desk.show(&id).await?;
    let (coupon, standing) = state.desk.amend(id, amendment(&wanted, &current)?).await?;
    Ok(HttpResponse::Ok().json(CouponView::of(&coupon, Some(&standing))))
}

macro_rules! lifecycle_call {
    ($name:ident, $path:literal, $lifecycle:expr, $summary:literal) => {
        #[doc = $summary]
        #[utoipa::path(
                            post, path = $path, tag = "coupons", security(("operator" = [])),
                            params(("coupon_id" = String, Path, description = "The coupon's id")),
                            responses(
                                (status = 200, description = "The coupon as it is now", body = CouponView),
                                (status = 401, description = "`unauthorized`", body = ProblemBody,
                                    content_type = "application/problem+json"),
                                (status = 403, description = "`forbidden`", body = ProblemBody,
                                    content_type = "application/problem+json"),
                                (status = 404, description = "`no_such_coupon`", body = ProblemBody,
                                    content_type = "application/problem+json"),
                                (status = 409, description = "`closed`", body = ProblemBody,
                                    content_type = "application/problem+json"),
                                (status = 503, description = "`unavailable`; `recovering` if a resume has to wait", body = ProblemBody,
                                    content_type = "application/problem+json"),
                            )
                        )]
        pub(super) async fn $name(
            state: web::Data<AppState>,
            _: Operator,
            path: web::Path<String>,
        ) -> Result<HttpResponse, Problem> {
            let id = extract::coupon_id(&path)?;
            let (coupon, standing) = state.desk.set_lifecycle(id, $lifecycle).await?;
            Ok(HttpResponse::Ok().json(CouponView::of(&coupon, standing.as_ref())))
        }
    };
}

lifecycle_call!(
    pause,
    "/v1/coupons/{coupon_id}/pause",
    Lifecycle::Paused,
    "Hold a coupon for now (operators)."
);
lifecycle_call!(
    resume,
    "/v1/coupons/{coupon_id}/resume",
    Lifecycle::Active,
    "Let a held coupon go on (operators)."
);
lifecycle_call!(
    close,
    "/v1/coupons/{coupon_id}/close",
    Lifecycle::Closed,
    "End a coupon for good (operators)."
);
