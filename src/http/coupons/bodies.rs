//! Bodies of requests and responses about coupons.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::domain::{Amendment, Coupon, SalePeriod, Standing, Terms, Timestamp};
use crate::http::problem::Problem;

/// A new coupon.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateCoupon {
    /// 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'.
    #[schema(example = "summer-drop", pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub(super) id: String,
    /// The name to display; the id if left out.
    #[schema(example = "Summer drop")]
    pub(super) name: Option<String>,
    /// The terms in full.
    #[serde(default)]
    pub(super) description: String,
    /// The value of the coupon, as text to display.
    #[serde(default)]
    #[schema(example = "30% off")]
    pub(super) discount: String,
    /// The number of coupons to issue.
    #[schema(minimum = 1, maximum = 100_000_000, example = 1000)]
    pub(super) total: u32,
    /// The begin of issuing; at once if left out.
    #[schema(value_type = Option<String>, example = "2026-12-01T09:00:00+09:00")]
    pub(super) opens_at: Option<Timestamp>,
    /// The end of issuing; never if left out.
    #[schema(value_type = Option<String>)]
    pub(super) closes_at: Option<Timestamp>,
    /// The end of the time in which members can redeem the coupon; never if left out.
    #[schema(value_type = Option<String>)]
    pub(super) valid_until: Option<Timestamp>,
}

/// Changes of a coupon. Fields that are left out stay as they are; `null` removes an end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PatchCoupon {
    /// Fixed after the first issuance.
    name: Option<String>,
    /// Fixed after the first issuance.
    description: Option<String>,
    /// Fixed after the first issuance.
    discount: Option<String>,
    /// At least the number of coupons issued.
    #[schema(minimum = 1, maximum = 100_000_000)]
    total: Option<u32>,
    /// Fixed after the first issuance.
    #[schema(value_type = Option<String>)]
    opens_at: Option<Timestamp>,
    /// Fixed after the first issuance.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    closes_at: Option<Option<Timestamp>>,
    /// Fixed after the first issuance.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    valid_until: Option<Option<Timestamp>>,
}

/// Distinguishes `null`, which is `Some(None)`, from an absent field, which is `None`.
fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A coupon with its current state.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CouponView {
    id: String,
    name: String,
    description: String,
    discount: String,
    /// `not_open`, `open`, `paused`, `sold_out` or `closed`; `recovering` while the engine is verified or rebuilt, with
    /// the counts of the database.
    #[schema(value_type = String, example = "open")]
    state: &'static str,
    /// As set by operators: `active`, `paused` or `closed`. A sold out coupon may be paused as well.
    #[schema(value_type = String, example = "active")]
    lifecycle: &'static str,
    total: u32,
    issued: u32,
    remaining: u32,
    #[schema(value_type = String)]
    opens_at: Timestamp,
    #[schema(value_type = Option<String>)]
    closes_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    valid_until: Option<Timestamp>,
    #[schema(value_type = String)]
    created_at: Timestamp,
}

impl CouponView {
    pub(super) fn of(coupon: &Coupon, standing: Option<&Standing>) -> Self {
        let state = standing.map_or("recovering", |standing| standing.state().as_str());
        let standing = standing.copied().unwrap_or_else(|| coupon.standing(coupon.created_at));
        Self {
            id: coupon.id.to_string(),
            name: coupon.terms.name().to_owned(),
            description: coupon.terms.description().to_owned(),
            discount: coupon.terms.discount().to_owned(),
            state,
            lifecycle: standing.lifecycle.as_str(),
            total: standing.inventory.total(),
            issued: standing.inventory.issued(),
            remaining: standing.inventory.remaining(),
            opens_at: standing.window.opens_at(),
            closes_at: standing.window.closes_at(),
            valid_until: coupon.valid_until,
            created_at: coupon.created_at,
        }
    }
}

/// A page of coupons.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CouponPage {
    /// By id.
    pub(super) coupons: Vec<CouponView>,
    /// The value of `after` for the next page; `null` on the last page.
    pub(super) next: Option<String>,
}

/// The problem of a broken rule of the domain.
pub(super) fn broken_rule(error: impl std::fmt::Display) -> Problem {
    Problem::invalid_coupon(error.to_string())
}

/// Completes `patch` with the terms and sale period of `current`, which change as a whole.
pub(super) fn amendment(patch: &PatchCoupon, current: &Coupon) -> Result<Amendment, Problem> {
    let terms = if patch.name.is_some() || patch.description.is_some() || patch.discount.is_some() {
        let name = patch.name.as_deref().unwrap_or(current.terms.name());
        let description = patch.description.as_deref().unwrap_or(current.terms.description());
        let discount = patch.discount.as_deref().unwrap_or(current.terms.discount());
        Some(Terms::new(name, description, discount).map_err(broken_rule)?)
    } else {
        None
    };
    let window = if patch.opens_at.is_some() || patch.closes_at.is_some() {
        let opens_at = patch.opens_at.unwrap_or(current.window.opens_at());
        let closes_at = patch.closes_at.unwrap_or(current.window.closes_at());
        Some(SalePeriod::new(opens_at, closes_at).map_err(broken_rule)?)
    } else {
        None
    };
    Ok(Amendment { terms, total: patch.total, window, valid_until: patch.valid_until })
}
