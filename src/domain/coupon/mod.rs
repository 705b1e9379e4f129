//! A coupon: terms, inventory, sale period and validity, and the rules of amendments.

use super::admission::Grant;
use super::code::CodeSalt;
use super::ids::{CouponId, MemberId};
use super::inventory::{Inventory, InventoryError};
use super::issuance::{IssuanceStatus, IssuedCoupon};
use super::lifecycle::{Lifecycle, Standing};
use super::reconfigure::Reconfiguration;
use super::sale_period::{SalePeriod, SalePeriodError};
use super::text::is_printable;
use super::time::Timestamp;

/// The longest name or discount, in characters.
const SHORT_TEXT_MAX: usize = 200;
/// The longest description, in characters.
const LONG_TEXT_MAX: usize = 2_000;

/// Texts that are no terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// The name is empty, too long or has an unprintable character.
    #[error("name must be 1 to {SHORT_TEXT_MAX} printable characters")]
    Name,
    /// The description is too long or has an unprintable character other than a line break.
    #[error("description must be at most {LONG_TEXT_MAX} printable characters")]
    Description,
    /// The discount is too long or has an unprintable character.
    #[error("discount must be at most {SHORT_TEXT_MAX} printable characters")]
    Discount,
}

/// The texts that a coupon displays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    name: Box<str>,
    description: Box<str>,
    discount: Box<str>,
}

impl Terms {
    /// Checks the texts; the error names the first invalid one.
    pub fn new(name: &str, description: &str, discount: &str) -> Result<Self, TermsError> {
        let is_printable_line =
            |text: &str| text.chars().count() <= SHORT_TEXT_MAX && text.chars().all(is_printable);
        if name.trim().is_empty() || !is_printable_line(name) {
            return Err(TermsError::Name);
        }
        if description.chars().count() > LONG_TEXT_MAX
            || !description.chars().all(|c| is_printable(c) || c == '\n')
        {
            return Err(TermsError::Description);
        }
        if !is_printable_line(discount) {
            return Err(TermsError::Discount);
        }
        Ok(Self { name: name.into(), description: description.into(), discount: discount.into() })
    }

    /// The displayed name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The conditions, of several lines.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The displayed value, such as "30%".
    #[must_use]
    pub fn discount(&self) -> &str {
        &self.discount
    }
}

/// The values from which a coupon is created.
#[derive(Debug, Clone)]
pub struct NewCoupon {
    /// The id.
    pub id: CouponId,
    /// The displayed texts.
    pub terms: Terms,
    /// The total, with nothing issued.
    pub inventory: Inventory,
    /// The sale period.
    pub window: SalePeriod,
    /// The end of the time in which issued coupons can be redeemed; `None` if it never ends.
    pub valid_until: Option<Timestamp>,
}

/// A coupon as the catalogue keeps it. The live number issued is the engine's: see [`Standing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupon {
    /// The id.
    pub id: CouponId,
    /// The displayed texts.
    pub terms: Terms,
    /// The total, and the number issued as far as the catalogue knows.
    pub inventory: Inventory,
    /// The sale period.
    pub window: SalePeriod,
    /// The end of the time in which issued coupons can be redeemed; `None` if it never ends.
    pub valid_until: Option<Timestamp>,
    /// The lifecycle, as an operator set it.
    pub lifecycle: Lifecycle,
    /// The secret from which the codes are derived.
    pub salt: CodeSalt,
    /// The time of creation.
    pub created_at: Timestamp,
}

/// An operator's change of a coupon; `None` keeps the present value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amendment {
    /// The new texts.
    pub terms: Option<Terms>,
    /// The new total.
    pub total: Option<u32>,
    /// The new sale period.
    pub window: Option<SalePeriod>,
    /// The new end of validity; `Some(None)` removes it.
    pub valid_until: Option<Option<Timestamp>>,
}

/// Why an amendment is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmendmentError {
    /// A closed coupon cannot be changed.
    #[error("the coupon is closed and cannot be changed")]
    Closed,
    /// Members hold the coupon under these terms, sale period and validity.
    #[error("issuing has started: only the total can still be changed")]
    TermsFrozen,
    /// The total is impossible.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The validity would end before the sale period begins.
    #[error("valid_until must be after opens_at")]
    ValidBeforeOpening,
    /// The sale period is impossible.
    #[error(transparent)]
    SalePeriod(#[from] SalePeriodError),
}

impl Coupon {
    /// The issuance of this coupon to `member` by `grant`.
    #[must_use]
    pub fn issuance(&self, member: &MemberId, grant: Grant) -> IssuedCoupon {
        IssuedCoupon {
            coupon_id: self.id.clone(),
            member_id: member.clone(),
            sequence: grant.sequence,
            code: self.salt.code(&self.id, member),
            status: IssuanceStatus::Unused,
            issued_at: grant.issued_at,
        }
    }

    /// An active coupon, created at `now`. Its validity must not end before the sale period begins.
    pub fn create(new: NewCoupon, salt: CodeSalt, now: Timestamp) -> Result<Self, AmendmentError> {
        check_validity(new.window, new.valid_until)?;
        Ok(Self {
            id: new.id,
            terms: new.terms,
            inventory: new.inventory,
            window: new.window,
            valid_until: new.valid_until,
            lifecycle: Lifecycle::Active,
            salt,
            created_at: now,
        })
    }

    /// The coupon after `amendment`, or the rule that forbids it. `standing` is the engine's: it knows whether issuing has
    /// started, which freezes the terms.
    pub fn amend(&self, amendment: &Amendment, standing: &Standing) -> Result<Self, AmendmentError> {
        let change = Reconfiguration { total: amendment.total, window: amendment.window, lifecycle: None };
        let before = Standing { inventory: standing.inventory, ..self.standing(standing.now) };
        let Standing { inventory, window, .. } = change.apply(before)?;
        let amended = Self {
            terms: amendment.terms.clone().unwrap_or_else(|| self.terms.clone()),
            window,
            valid_until: amendment.valid_until.unwrap_or(self.valid_until),
            inventory,
            ..self.clone()
        };
        let is_changed = amended.terms != self.terms || amended.valid_until != self.valid_until;
        if inventory.has_started() && is_changed {
            return Err(AmendmentError::TermsFrozen);
        }
        check_validity(amended.window, amended.valid_until)?;
        Ok(amended)
    }

    /// The standing at `now`, as far as the catalogue knows.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        Standing { inventory: self.inventory, window: self.window, lifecycle: self.lifecycle, now }
    }
}

fn check_validity(window: SalePeriod, valid_until: Option<Timestamp>) -> Result<(), AmendmentError> {
    match valid_until {
        Some(until) if until <= window.opens_at() => Err(AmendmentError::ValidBeforeOpening),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
