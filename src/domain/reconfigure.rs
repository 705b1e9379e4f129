//! What an operator may change of how a coupon is issued, by the rules of `AdmissionEngine::reconfigure`.

use crate::domain::{AmendmentError, Lifecycle, Standing};
use crate::ports::Reconfiguration;

/// How the coupon stands after `change`, or which rule forbids it.
pub fn apply(standing: Standing, change: Reconfiguration) -> Result<Standing, AmendmentError> {
    let closing_again = Reconfiguration { lifecycle: Some(Lifecycle::Closed), ..Reconfiguration::default() };
    if standing.lifecycle == Lifecycle::Closed && change != closing_again {
        return Err(AmendmentError::Closed);
    }
    let inventory = match change.total {
        Some(total) => standing.inventory.resize(total)?,
        None => standing.inventory,
    };
    let window = change.window.unwrap_or(standing.window);
    if inventory.has_started() && window != standing.window {
        return Err(AmendmentError::TermsFrozen);
    }
    let lifecycle = change.lifecycle.unwrap_or(standing.lifecycle);
    Ok(Standing { inventory, window, lifecycle, now: standing.now })
}
