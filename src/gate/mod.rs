//! The gate of a coupon: HTTP workers read from it, without a lock or a query, whether a request must go to the engine.
//!
//! A gate may lag behind the engine, but is never ahead of it: it repeats rejections that the engine has decided, and it
//! lets every member through who may hold the coupon.

mod trust;
mod winners;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

pub use trust::Trust;
pub use winners::WinnerFilter;

use crate::domain::{CouponState, MemberId, Rejection, Timestamp};

/// The state of a gate.
#[derive(Debug)]
pub enum GateView {
    /// Every request goes to the engine.
    Open,
    /// The sale period has not begun.
    NotOpen {
        /// Begin of the sale period by the clock of this node, which may differ from the engine's.
        opens_at_here: Timestamp,
    },
    /// The engine issues nothing until an operator acts. Requests of holders still go to the engine.
    Halted { rejection: Rejection, winners: WinnerFilter },
    /// The engine's state is not verified; no request goes to it.
    Recovering,
}

/// The gate's decision on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// The engine must decide.
    Ask,
    /// The engine has decided this for all members already.
    Reject(Rejection),
    /// There is no decision now.
    Recovering,
}

/// One coupon's gate on one node. A read is one atomic load.
#[derive(Debug)]
pub struct Gate {
    view: ArcSwap<GateView>,
    version: AtomicU64,
    trust: Arc<Trust>,
}

impl Gate {
    /// An open gate, which rejects with "sold out" only while `trust` holds.
    #[must_use]
    pub fn new(trust: Arc<Trust>) -> Self {
        Self { view: ArcSwap::from_pointee(GateView::Open), version: AtomicU64::new(0), trust }
    }

    /// Decides on a request of `member` at `now` by the clock of this node.
    #[must_use]
    pub fn judge(&self, member: &MemberId, now: Timestamp) -> Passage {
        match &**self.view.load() {
            GateView::Open => Passage::Ask,
            GateView::NotOpen { opens_at_here } if now < *opens_at_here => {
                Passage::Reject(Rejection::NotOpen)
            }
            GateView::NotOpen { .. } => Passage::Ask,
            GateView::Halted { winners, .. } if winners.may_hold(member) => Passage::Ask,
            GateView::Halted { rejection: Rejection::SoldOut, .. } if !self.trust.holds() => Passage::Ask,
            GateView::Halted { rejection, .. } => Passage::Reject(*rejection),
            GateView::Recovering => Passage::Recovering,
        }
    }

    pub fn set(&self, view: GateView) {
        self.view.store(view.into());
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Changes with every call of [`Gate::set`].
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The rejection of a halted gate.
    #[must_use]
    pub fn halted(&self) -> Option<Rejection> {
        match &**self.view.load() {
            GateView::Halted { rejection, .. } => Some(*rejection),
            GateView::Open | GateView::NotOpen { .. } | GateView::Recovering => None,
        }
    }

    #[must_use]
    pub fn is_recovering(&self) -> bool {
        matches!(**self.view.load(), GateView::Recovering)
    }

    /// The number of members that a halted gate lets through.
    #[must_use]
    pub fn winners(&self) -> usize {
        match &**self.view.load() {
            GateView::Halted { winners, .. } => winners.len(),
            GateView::Open | GateView::NotOpen { .. } | GateView::Recovering => 0,
        }
    }

    /// The coupon's state as far as this node knows; `None` while the engine's state is not verified.
    #[must_use]
    pub fn state(&self) -> Option<CouponState> {
        match &**self.view.load() {
            GateView::Open => Some(CouponState::Open),
            GateView::NotOpen { .. } => Some(CouponState::NotOpen),
            GateView::Halted { rejection: Rejection::SoldOut, .. } => Some(CouponState::SoldOut),
            GateView::Halted { rejection: Rejection::Paused, .. } => Some(CouponState::Paused),
            GateView::Halted { .. } => Some(CouponState::Closed),
            GateView::Recovering => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Gate, GateView, MemberId, Passage, Rejection, Timestamp, Trust, WinnerFilter};

    fn gate() -> Gate {
        Gate::new(Arc::new(Trust::always()))
    }

    fn member(id: &str) -> MemberId {
        MemberId::parse(id).unwrap()
    }

    #[test]
    fn a_new_gate_lets_requests_through() {
        assert_eq!(gate().judge(&member("kim"), Timestamp::from_ms(0)), Passage::Ask);
    }

    #[test]
    fn requests_pass_from_the_begin_of_the_sale_period_on() {
        let gate = gate();
        gate.set(GateView::NotOpen { opens_at_here: Timestamp::from_ms(100) });
        let at = |ms| gate.judge(&member("kim"), Timestamp::from_ms(ms));
        assert_eq!(at(99), Passage::Reject(Rejection::NotOpen));
        assert_eq!(at(100), Passage::Ask);
    }

    #[test]
    fn a_halted_gate_lets_only_holders_through() {
        let gate = gate();
        for rejection in [Rejection::SoldOut, Rejection::Paused, Rejection::Closed] {
            let winners = WinnerFilter::of([member("kim")].iter());
            gate.set(GateView::Halted { rejection, winners });
            assert_eq!(gate.judge(&member("kim"), Timestamp::from_ms(0)), Passage::Ask);
            assert_eq!(gate.judge(&member("lee"), Timestamp::from_ms(0)), Passage::Reject(rejection));
        }
    }

    #[test]
    fn without_trust_sold_out_is_left_to_the_engine() {
        let gate = Gate::new(Arc::new(Trust::not_yet()));
        let passage = |rejection| {
            gate.set(GateView::Halted { rejection, winners: WinnerFilter::of([].iter()) });
            gate.judge(&member("lee"), Timestamp::from_ms(0))
        };
        assert_eq!(passage(Rejection::SoldOut), Passage::Ask);
        assert_eq!(passage(Rejection::Paused), Passage::Reject(Rejection::Paused));
        assert_eq!(passage(Rejection::Closed), Passage::Reject(Rejection::Closed));
    }
}
