//! The aggregate root: a coupon's terms, inventory, window and validity, and what an operator may change of them.

use super::admission::Grant;
use super::code::CodeSalt;
use super::ids::{CouponId, MemberId};
use super::inventory::{Inventory, InventoryError};
use super::issuance::{IssuanceStatus, IssuedCoupon};
use super::lifecycle::{Lifecycle, Standing};
use super::sale_period::{SalePeriod, SalePeriodError};
use super::text::is_printable;
use super::time::Timestamp;

/// The longest name or discount, in characters.
const SHORT_TEXT_MAX: usize = 200;
/// The longest description, in characters.
const LONG_TEXT_MAX: usize = 2_000;

/// Why terms cannot stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// The name is what people see.
    #[error("name must be 1 to {SHORT_TEXT_MAX} printable characters")]
    Name,
    /// The description may have line breaks.
    #[error("description must be at most {LONG_TEXT_MAX} printable characters")]
    Description,
    /// The discount is shown as it is written.
    #[error("discount must be at most {SHORT_TEXT_MAX} printable characters")]
    Discount,
}

/// What is promised to whoever holds the coupon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    name: Box<str>,
    description: Box<str>,
    discount: Box<str>,
}

impl Terms {
    /// Terms of these texts.
    ///
    /// # Errors
    /// [`TermsError`] names the first text that is too long, or has characters nobody can see.
    pub fn new(name: &str, description: &str, discount: &str) -> Result<Self, TermsError> {
        let visible = |text: &str, max: usize, breaks: bool| {
            text.chars().count() <= max && text.chars().all(|c| is_printable(c) || (breaks && c == '\n'))
        };
        if name.trim().is_empty() || !visible(name, SHORT_TEXT_MAX, false) {
            return Err(TermsError::Name);
        }
        if !visible(description, LONG_TEXT_MAX, true) {
            return Err(TermsError::Description);
        }
        if !visible(discount, SHORT_TEXT_MAX, false) {
            return Err(TermsError::Discount);
        }
        Ok(Self { name: name.into(), description: description.into(), discount: discount.into() })
    }

    /// What people see.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The small print.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What it is worth, as it is to be shown.
    #[must_use]
    pub fn discount(&self) -> &str {
        &self.discount
    }
}

/// What it takes to create a coupon.
#[derive(Debug, Clone)]
pub struct NewCoupon {
    /// Its id.
    pub id: CouponId,
    /// What is promised.
    pub terms: Terms,
    /// How many exist.
    pub inventory: Inventory,
    /// When it may be issued.
    pub window: SalePeriod,
    /// Until when an issued one can be redeemed.
    pub valid_until: Option<Timestamp>,
}

/// A coupon as its catalogue keeps it. The live count of issued ones is the engine's: see [`Standing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupon {
    /// Its id.
    pub id: CouponId,
    /// What is promised.
    pub terms: Terms,
    /// How many exist and how many the catalogue knows as issued.
    pub inventory: Inventory,
    /// When it may be issued.
    pub window: SalePeriod,
    /// Until when an issued one can be redeemed.
    pub valid_until: Option<Timestamp>,
    /// What the operator has said.
    pub lifecycle: Lifecycle,
    /// The secret its codes are derived from.
    pub salt: CodeSalt,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What an operator may ask to change; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amendment {
    /// Other terms.
    pub terms: Option<Terms>,
    /// Another total.
    pub total: Option<u32>,
    /// Another window.
    pub window: Option<SalePeriod>,
    /// Another end of validity; `Some(None)` takes it away.
    pub valid_until: Option<Option<Timestamp>>,
}

/// Why an amendment is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmendmentError {
    /// A closed coupon stays as it is.
    #[error("the coupon is closed and stays as it is")]
    Closed,
    /// Members who already hold one were promised these terms.
    #[error("issuing has started: only the total can still be changed")]
    TermsFrozen,
    /// The new total cannot be.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The validity would end before the window begins.
    #[error("valid_until must be after opens_at")]
    ValidBeforeOpening,
    /// The new window cannot be.
    #[error(transparent)]
    SalePeriod(#[from] SalePeriodError),
}

impl Coupon {
    /// The issuance that `grant` gives to `member`.
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

    /// A coupon that begins its life at `now`.
    ///
    /// # Errors
    /// [`AmendmentError::ValidBeforeOpening`] if nobody could ever redeem it.
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

    /// The coupon as it is after `amendment`, judged by what the engine says of it now.
    ///
    /// # Errors
    /// [`AmendmentError`] says which rule forbids it; nothing has changed then.
    pub fn amend(&self, amendment: &Amendment, standing: &Standing) -> Result<Self, AmendmentError> {
        if self.lifecycle == Lifecycle::Closed {
            return Err(AmendmentError::Closed);
        }
        let inventory = match amendment.total {
            Some(total) => standing.inventory.resize(total)?,
            None => standing.inventory,
        };
        let amended = Self {
            terms: amendment.terms.clone().unwrap_or_else(|| self.terms.clone()),
            window: amendment.window.unwrap_or(self.window),
            valid_until: amendment.valid_until.unwrap_or(self.valid_until),
            inventory,
            ..self.clone()
        };
        let frozen = (&self.terms, self.window, self.valid_until);
        if inventory.has_started() && frozen != (&amended.terms, amended.window, amended.valid_until) {
            return Err(AmendmentError::TermsFrozen);
        }
        check_validity(amended.window, amended.valid_until)?;
        Ok(amended)
    }

    /// How the coupon stands at `now` by what the catalogue knows.
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
