//! What is sent and received about coupons, as JSON.

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
    /// What people see; the id if left out.
    #[schema(example = "Summer drop")]
    pub(super) name: Option<String>,
    /// The small print.
    #[serde(default)]
    pub(super) description: String,
    /// What it is worth, as it is to be shown.
    #[serde(default)]
    #[schema(example = "30% off")]
    pub(super) discount: String,
    /// How many exist.
    #[schema(minimum = 1, maximum = 100_000_000, example = 1000)]
    pub(super) total: u32,
    /// When issuing begins; at once if left out.
    #[schema(value_type = Option<String>, example = "2026-12-01T09:00:00+09:00")]
    pub(super) opens_at: Option<Timestamp>,
    /// When issuing ends; never if left out.
    #[schema(value_type = Option<String>)]
    pub(super) closes_at: Option<Timestamp>,
    /// Until when an issued coupon can be redeemed; for ever if left out.
    #[schema(value_type = Option<String>)]
    pub(super) valid_until: Option<Timestamp>,
}

/// What is to change; what is left out stays. `null` takes an end away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PatchCoupon {
    /// Another name; not once issuing has started.
    name: Option<String>,
    /// Another small print; not once issuing has started.
    description: Option<String>,
    /// Another worth; not once issuing has started.
    discount: Option<String>,
    /// Another total, never below what is issued.
    #[schema(minimum = 1, maximum = 100_000_000)]
    total: Option<u32>,
    /// Another opening; not once issuing has started.
    #[schema(value_type = Option<String>)]
    opens_at: Option<Timestamp>,
    /// Another end of issuing; not once issuing has started.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    closes_at: Option<Option<Timestamp>>,
    /// Another end of validity; not once issuing has started.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    valid_until: Option<Option<Timestamp>>,
}

/// Tells a field that is `null` from one that is not there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A coupon and how it stands now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CouponView {
    id: String,
    name: String,
    description: String,
    discount: String,
    /// `not_open`, `open`, `paused`, `sold_out` or `closed`; `recovering` while nobody can say, with the counts that the
    /// database holds.
    #[schema(value_type = String, example = "open")]
    state: &'static str,
    /// What operators have said: `active`, `paused` or `closed`. A sold out coupon may be paused as well.
    #[schema(value_type = String, example = "active")]
    lifecycle: &'static str,
    /// How many exist.
    total: u32,
    /// How many are issued.
    issued: u32,
    /// How many are left.
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
    /// In the order of their ids.
    pub(super) coupons: Vec<CouponView>,
    /// What to give as `after` for the next page; `null` after the last.
    pub(super) next: Option<String>,
}

/// A rule of the domain that what was sent breaks.
pub(super) fn rule(error: impl std::fmt::Display) -> Problem {
    Problem::invalid_coupon(error.to_string())
}

/// What `wanted` changes of `current`.
pub(super) fn amendment(wanted: &PatchCoupon, current: &Coupon) -> Result<Amendment, Problem> {
    let terms = if wanted.name.is_some() || wanted.description.is_some() || wanted.discount.is_some() {
        let name = wanted.name.as_deref().unwrap_or(current.terms.name());
        let description = wanted.description.as_deref().unwrap_or(current.terms.description());
        let discount = wanted.discount.as_deref().unwrap_or(current.terms.discount());
        Some(Terms::new(name, description, discount).map_err(rule)?)
    } else {
        None
    };
    let window = if wanted.opens_at.is_some() || wanted.closes_at.is_some() {
        let opens_at = wanted.opens_at.unwrap_or(current.window.opens_at());
        let closes_at = wanted.closes_at.unwrap_or(current.window.closes_at());
        Some(SalePeriod::new(opens_at, closes_at).map_err(rule)?)
    } else {
        None
    };
    Ok(Amendment { terms, total: wanted.total, window, valid_until: wanted.valid_until })
}
