//! The gate that fits a coupon's standing.

use std::collections::HashSet;

use super::keeper::Keeper;
use crate::actors::issuing::CouponHandle;
use crate::actors::runtime::deadline::bounded;
use crate::clock;
use crate::domain::{Rejection, Standing, Timestamp};
use crate::gate::{GateView, WinnerFilter};
use crate::ports::EngineError;

impl Keeper {
    pub(super) async fn fit_gate(
        &self,
        handle: &CouponHandle,
        standing: Standing,
    ) -> Result<(), EngineError> {
        match standing.rejection() {
            None => handle.gate().set(GateView::Open),
            Some(Rejection::NotOpen) => handle.gate().set(before_the_opening(standing, clock::now())),
            // The total is about to be raised: from now on only the engine says "sold out".
            Some(Rejection::SoldOut) if handle.coupon().inventory.total() > standing.inventory.total() => {
                handle.gate().set(GateView::Open);
            }
            Some(rejection) => self.halt(handle, standing, rejection).await?,
        }
        handle.record_standing(standing);
        if let Some(recoveries) = &self.deps.recoveries {
            recoveries.forget_stored(handle.id()).await;
        }
        Ok(())
    }

    /// Rejects every member but the holders. Until all holders are known, all members pass and the engine rejects them.
    async fn halt(
        &self,
        handle: &CouponHandle,
        standing: Standing,
        rejection: Rejection,
    ) -> Result<(), EngineError> {
        let issued = standing.inventory.issued() as usize;
        let gate = handle.gate();
        if gate.halted() == Some(rejection) && gate.winners() == issued {
            return Ok(());
        }
        let winners = self.read_holders(handle).await?;
        if winners.len() == issued {
            gate.set(GateView::Halted { rejection, winners });
        } else {
            // The coupon has changed while its holders were read: the next round reads them again.
            gate.set(GateView::Open);
            handle.refresh_next_round();
        }
        Ok(())
    }

    async fn read_holders(&self, handle: &CouponHandle) -> Result<WinnerFilter, EngineError> {
        let (mut members, mut cursor) = (HashSet::new(), 0);
        loop {
            let page = bounded(self.deps.engine.holders(handle.id(), cursor)).await?;
            members.extend(page.holders.into_iter().map(|(member, _)| member));
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(WinnerFilter::of(members.iter())),
            }
        }
    }
}

/// The gate of a coupon whose sale period has not begun, with its opening by this node's clock. If issuances exist, the
/// engine's clock has been set back: the gate opens, and the engine finds the holders and rejects the other members.
fn before_the_opening(standing: Standing, now_here: Timestamp) -> GateView {
    if standing.inventory.issued() > 0 {
        return GateView::Open;
    }
    let wait = standing.window.opens_at().ms_since(standing.now);
    GateView::NotOpen { opens_at_here: now_here.plus_ms(i64::try_from(wait).unwrap_or(i64::MAX)) }
}

#[cfg(test)]
mod tests {
    use super::{GateView, Standing, Timestamp, before_the_opening};
    use crate::domain::{Inventory, Lifecycle, SalePeriod};

    #[test]
    fn a_sale_period_that_begins_again_after_a_clock_was_set_back_shuts_no_holder_out() {
        let at = Timestamp::from_ms;
        let standing = |issued| Standing {
            inventory: Inventory::with_issued(3, issued).unwrap(),
            window: SalePeriod::new(at(500), None).unwrap(),
            lifecycle: Lifecycle::Active,
            now: at(200),
        };
        let before = before_the_opening(standing(0), at(1_000));
        assert!(matches!(before, GateView::NotOpen { opens_at_here } if opens_at_here == at(1_300)));
        assert!(matches!(before_the_opening(standing(1), at(1_000)), GateView::Open));
    }
}
