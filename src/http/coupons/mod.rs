//! Coupons: public reads, and operators' calls to create, change, pause, resume and close them.

mod bodies;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use self::bodies::{CouponPage, CouponView, CreateCoupon, PatchCoupon, amendment, broken_rule};
use super::extract::{self, QueryResult};
use super::operators::Operator;
use super::problem::Problem;
use super::state::AppState;
use crate::actors::upkeep::CouponAdminError;
use crate::clock;
use crate::domain::{CodeSalt, CouponId, Inventory, Lifecycle, NewCoupon, SalePeriod, Terms, Timestamp};

const PAGE_MAX: u32 = 500;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// The last id of the previous page.
    after: Option<String>,
    /// Length of the page, up to 500; 100 if left out.
    limit: Option<u32>,
}

/// Create a coupon (operators).
///
/// Members can request the coupon once this call has returned. Repeating the same call returns 200.
#[utoipa::path(
    post, path = "/v1/coupons", tag = "coupons", request_body = CreateCoupon, security(("operator" = [])),
    responses(
        (status = 201, description = "Created", body = CouponView),
        (status = 200, description = "The coupon exists already with these terms", body = CouponView),
        (status = 409, description = "`coupon_exists`"),
        (status = 422, description = "`invalid_coupon`"),
    )
)]
pub(super) async fn create(
    state: web::Data<AppState>,
    _: Operator,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = extract::body(&request, payload).await?;
    let body: CreateCoupon = extract::json(&body)?;
    let id = CouponId::parse(&body.id).map_err(broken_rule)?;
    let name = body.name.as_deref().unwrap_or(id.as_str());
    let new = NewCoupon {
        terms: Terms::new(name, &body.description, &body.discount).map_err(broken_rule)?,
        inventory: Inventory::new(body.total).map_err(broken_rule)?,
        window: sale_period(&state, &id, body.opens_at, body.closes_at).await?,
        valid_until: body.valid_until,
        id,
    };
    let (coupon, standing, is_new) = state.coupons.create(new, random_salt()).await?;
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(CouponView::of(&coupon, Some(&standing))))
}

/// The sale period of a new coupon. Without `opens_at` it begins now, or at the opening of an existing coupon with this
/// id, so that a repeated call means the same coupon.
async fn sale_period(
    state: &AppState,
    id: &CouponId,
    opens_at: Option<Timestamp>,
    closes_at: Option<Timestamp>,
) -> Result<SalePeriod, Problem> {
    let opens_at = match opens_at {
        Some(opens_at) => opens_at,
        None => state.coupons.opens_at(id).await?.unwrap_or_else(clock::now),
    };
    SalePeriod::new(opens_at, closes_at).map_err(broken_rule)
}

/// Two version 4 UUIDs contain 244 random bits of the operating system.
fn random_salt() -> CodeSalt {
    let mut salt = [0; 32];
    salt[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    salt[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    CodeSalt::from_bytes(salt)
}

/// The problem of a failed read, which has changed nothing.
fn read_failed(error: CouponAdminError) -> Problem {
    match error {
        CouponAdminError::Unavailable(cause) => {
            tracing::warn!(error = %cause, "a coupon could not be read: the engine or the catalogue did not answer");
            Problem::unavailable("the engine or the catalogue did not answer; try again")
        }
        error => error.into(),
    }
}

/// List coupons.
#[utoipa::path(
    get, path = "/v1/coupons", operation_id = "list_coupons", tag = "coupons", params(PageQuery),
    responses(
        (status = 200, description = "A page of coupons, by id", body = CouponPage),
        (status = 429, description = "`rate_limited`"),
        (status = 503, description = "`unavailable`"),
    )
)]
pub(super) async fn list(
    state: web::Data<AppState>,
    request: HttpRequest,
    query: QueryResult<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let allowance = state.rate_limiter.admit(&request, None, || false)?;
    let query = extract::query(query)?;
    let limit = extract::limit(query.limit, PAGE_MAX)?;
    let after = query.after.as_deref().map(extract::coupon_id).transpose()?;
    let page = state.coupons.list(after.as_ref().map(CouponId::as_str), limit).await;
    let (page, next) = page.map_err(read_failed)?;
    let coupons = page.iter().map(|(coupon, standing)| CouponView::of(coupon, standing.as_ref())).collect();
    let mut response = HttpResponse::Ok().json(CouponPage { coupons, next });
    allowance.write_headers(&mut response);
    Ok(response)
}

/// Read a coupon: its terms and its current state.
#[utoipa::path(
    get, path = "/v1/coupons/{coupon_id}", operation_id = "show_coupon", tag = "coupons",
    params(("coupon_id" = String, Path, description = "The coupon's id")),
    responses(
        (status = 200, description = "The coupon", body = CouponView),
        (status = 429, description = "`rate_limited`"),
        (status = 503, description = "`unavailable`"),
    )
)]
pub(super) async fn show(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let allowance = state.rate_limiter.admit(&request, None, || false)?;
    let (coupon, standing) = state.coupons.show(&extract::coupon_id(&path)?).await.map_err(read_failed)?;
    let mut response = HttpResponse::Ok().json(CouponView::of(&coupon, standing.as_ref()));
    allowance.write_headers(&mut response);
    Ok(response)
}

/// Change a coupon (operators).
///
/// The total can change at any time, but not below the number of coupons issued. Everything else can change before the
/// first issuance only.
#[utoipa::path(
    patch, path = "/v1/coupons/{coupon_id}", tag = "coupons", request_body = PatchCoupon,
    security(("operator" = [])), params(("coupon_id" = String, Path, description = "The coupon's id")),
    responses(
        (status = 200, description = "The changed coupon", body = CouponView),
        (status = 409, description = "`terms_frozen`, `closed`"),
        (status = 422, description = "`invalid_coupon`"),
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
    let patch: PatchCoupon = extract::json(&body)?;
    let (current, _) = state.coupons.show(&id).await?;
    let (coupon, standing) = state.coupons.amend(id, amendment(&patch, &current)?).await?;
    Ok(HttpResponse::Ok().json(CouponView::of(&coupon, Some(&standing))))
}

macro_rules! lifecycle_call {
    ($name:ident, $path:literal, $lifecycle:expr, $summary:literal) => {
        #[doc = $summary]
        #[utoipa::path(
                            post, path = $path, tag = "coupons", security(("operator" = [])),
                            params(("coupon_id" = String, Path, description = "The coupon's id")),
                            responses(
                                (status = 200, description = "The changed coupon", body = CouponView),
                                (status = 409, description = "`closed`"),
                                (status = 503, description = "`unavailable`; `recovering` if the coupon cannot be resumed yet"),
                            )
                        )]
        pub(super) async fn $name(
            state: web::Data<AppState>,
            _: Operator,
            path: web::Path<String>,
        ) -> Result<HttpResponse, Problem> {
            let id = extract::coupon_id(&path)?;
            let (coupon, standing) = state.coupons.set_lifecycle(id, $lifecycle).await?;
            Ok(HttpResponse::Ok().json(CouponView::of(&coupon, standing.as_ref())))
        }
    };
}

lifecycle_call!(pause, "/v1/coupons/{coupon_id}/pause", Lifecycle::Paused, "Pause a coupon (operators).");
lifecycle_call!(
    resume,
    "/v1/coupons/{coupon_id}/resume",
    Lifecycle::Active,
    "Resume a paused coupon (operators)."
);
lifecycle_call!(
    close,
    "/v1/coupons/{coupon_id}/close",
    Lifecycle::Closed,
    "Close a coupon for good (operators)."
);
