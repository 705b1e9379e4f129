//! The rules by which an engine accepts an operator's change of a coupon.

use super::coupon::AmendmentError;
use super::lifecycle::{Lifecycle, Standing};
use super::sale_period::SalePeriod;

/// An operator's change of total, sale period or lifecycle; `None` keeps the present value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconfiguration {
    /// The new total.
    pub total: Option<u32>,
    /// The new sale period.
    pub window: Option<SalePeriod>,
    /// The new lifecycle.
    pub lifecycle: Option<Lifecycle>,
}

impl Reconfiguration {
    /// The standing after this change.
    ///
    /// # Errors
    /// [`AmendmentError`] if the total would be below the number issued, if the sale period would change after issuing has
    /// started, or if the coupon is closed and the change is not another close.
    pub fn apply(self, standing: Standing) -> Result<Standing, AmendmentError> {
        let closing_again = Self { lifecycle: Some(Lifecycle::Closed), ..Self::default() };
        if standing.lifecycle == Lifecycle::Closed && self != closing_again {
            return Err(AmendmentError::Closed);
        }
        let inventory = match self.total {
            Some(total) => standing.inventory.resize(total)?,
            None => standing.inventory,
        };
        let window = self.window.unwrap_or(standing.window);
        if inventory.has_started() && window != standing.window {
            return Err(AmendmentError::TermsFrozen);
        }
        let lifecycle = self.lifecycle.unwrap_or(standing.lifecycle);
        Ok(Standing { inventory, window, lifecycle, now: standing.now })
    }
}
