//! What every HTTP worker knows of a coupon without locking or asking: whether there is anything to ask for.
//!
//! A gate may be behind the engine, never ahead of it: it turns a member away only for what the engine has said, and
//! whoever may hold a coupon is always let through.

mod trust;
mod winners;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

pub use trust::Trust;
pub use winners::WinnerFilter;

use crate::domain::{MemberId, Rejection, Timestamp};

/// What the workers of this node know of one coupon.
#[derive(Debug)]
pub enum GateView {
    /// Members are passed on to the engine.
    Open,
    /// The window has not begun.
    NotOpen {
        /// When it begins, by the clock of this node.
        opens_at_here: Timestamp,
    },
    /// Nothing is issued until an operator acts; `winners` are those who hold one.
    Halted {
        /// Why nothing is issued.
        rejection: Rejection,
        /// Who is to be passed on all the same, because they hold a coupon.
        winners: WinnerFilter,
    },
    /// The engine cannot be trusted at the moment.
    Recovering,
}

/// What to do with a member who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Ask the engine.
    Ask,
    /// Say no: the engine has decided that for everybody.
    Reject(Rejection),
    /// Say that nobody knows at the moment.
    Recovering,
}

/// One coupon's gate on one node. Reading is one atomic load.
#[derive(Debug)]
pub struct Gate {
    view: ArcSwap<GateView>,
    /// Counts the changes of the view.
    changes: AtomicU64,
    /// Whether "sold out" may be said without asking.
    trust: Arc<Trust>,
}

impl Gate {
    /// An open gate, which says "sold out" only as long as `trust` holds.
    #[must_use]
    pub fn new(trust: Arc<Trust>) -> Self {
        Self { view: ArcSwap::from_pointee(GateView::Open), changes: AtomicU64::new(0), trust }
    }

    /// What to do with `member`, who asks at `now` by the clock of this node.
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

    /// Replaces what is known.
    pub fn set(&self, view: GateView) {
        self.view.store(view.into());
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// How often what is known was replaced.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Why nothing is issued, if the gate is halted.
    #[must_use]
    pub fn halted(&self) -> Option<Rejection> {
        match &**self.view.load() {
            GateView::Halted { rejection, .. } => Some(*rejection),
            GateView::Open | GateView::NotOpen { .. } | GateView::Recovering => None,
        }
    }

    /// Whether the engine is not trusted at the moment.
    #[must_use]
    pub fn is_recovering(&self) -> bool {
        matches!(**self.view.load(), GateView::Recovering)
    }

    /// How many winners a halted gate lets through.
    #[must_use]
    pub fn winners(&self) -> usize {
        match &**self.view.load() {
            GateView::Halted { winners, .. } => winners.len(),
            GateView::Open | GateView::NotOpen { .. } | GateView::Recovering => 0,
        }
    }

    /// The word for the gate's state in metrics and lists.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match &**self.view.load() {
            GateView::Open => "open",
            GateView::NotOpen { .. } => "not_open",
            GateView::Halted { rejection: Rejection::SoldOut, .. } => "sold_out",
            GateView::Halted { rejection: Rejection::Paused, .. } => "paused",
            GateView::Halted { .. } => "closed",
            GateView::Recovering => "recovering",
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
    fn a_new_gate_asks() {
        assert_eq!(gate().judge(&member("kim"), Timestamp::from_ms(0)), Passage::Ask);
    }

    #[test]
    fn before_the_opening_nobody_passes_and_from_it_on_everybody_does() {
        let gate = gate();
        gate.set(GateView::NotOpen { opens_at_here: Timestamp::from_ms(100) });
        let at = |ms| gate.judge(&member("kim"), Timestamp::from_ms(ms));
        assert_eq!(at(99), Passage::Reject(Rejection::NotOpen));
        assert_eq!(at(100), Passage::Ask);
    }

    #[test]
    fn a_halted_gate_lets_only_winners_through() {
        let gate = gate();
        for rejection in [Rejection::SoldOut, Rejection::Paused, Rejection::Closed] {
            let winners = WinnerFilter::of([member("kim")].iter());
            gate.set(GateView::Halted { rejection, winners });
            assert_eq!(gate.judge(&member("kim"), Timestamp::from_ms(0)), Passage::Ask);
            assert_eq!(gate.judge(&member("lee"), Timestamp::from_ms(0)), Passage::Reject(rejection));
        }
    }

    #[test]
    fn without_trust_only_what_can_be_undone_is_not_said() {
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
