//! The rules of an operator's change of total, sale period or lifecycle, for engines and catalogue alike.

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
    /// The standing after this change. Refused are a total below the number issued, another sale period after issuing has
    /// started, and every change of a closed coupon but another close.
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
