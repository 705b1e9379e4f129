//! What this node remembers of each coupon, so that Redis cannot forget it unnoticed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::{CouponId, Sequence};

/// What this node knows of one life of a coupon.
#[derive(Debug)]
pub(super) struct Known {
    /// Which life it is: a coupon loaded anew after a loss has another, and its sequences are other issuances.
    pub(super) epoch: u64,
    /// The largest sequence this node has seen issued, and may have told somebody.
    issued: AtomicU32,
    /// Whether other nodes have been told that it was loaded.
    announced: AtomicBool,
}

impl Known {
    /// The largest sequence this node has seen issued.
    pub(super) fn issued(&self) -> Sequence {
        self.issued.load(Ordering::Relaxed)
    }

    /// Remembers that `issued` have been seen. Answers may overtake one another; the largest counts.
    pub(super) fn saw(&self, issued: Sequence) {
        self.issued.fetch_max(issued, Ordering::Relaxed);
    }

    /// Whether other nodes have been told that it was loaded.
    pub(super) fn is_announced(&self) -> bool {
        self.announced.load(Ordering::Relaxed)
    }

    /// Remembers that they have.
    pub(super) fn announced(&self) {
        self.announced.store(true, Ordering::Relaxed);
    }
}

/// The coupons this node knows: one entry each, kept as long as the process lives. The lock is held for a look-up
/// only, and never while anybody waits for Redis.
#[derive(Debug, Default)]
pub(super) struct KnownCoupons(RwLock<HashMap<CouponId, Arc<Known>>>);

impl KnownCoupons {
    /// What is known of `coupon`.
    pub(super) fn find(&self, coupon: &CouponId) -> Option<Arc<Known>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(coupon).cloned()
    }

    /// Remembers that `coupon` lives in `epoch`. What was known of another life of it is forgotten.
    pub(super) fn learn(&self, coupon: &CouponId, epoch: u64) -> Arc<Known> {
        let mut coupons = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = coupons.get(coupon).filter(|known| known.epoch == epoch) {
            return Arc::clone(known);
        }
        let known = Arc::new(Known { epoch, issued: AtomicU32::new(0), announced: AtomicBool::new(false) });
        coupons.insert(coupon.clone(), Arc::clone(&known));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::{CouponId, KnownCoupons};

    #[test]
    fn the_same_life_is_remembered_and_another_begins_anew() {
        let (coupons, drop) = (KnownCoupons::default(), CouponId::parse("drop").unwrap());
        assert!(coupons.find(&drop).is_none());
        let known = coupons.learn(&drop, 7);
        known.saw(5);
        known.saw(3);
        known.announced();
        assert_eq!(coupons.learn(&drop, 7).issued(), 5);
        let anew = coupons.learn(&drop, 8);
        assert_eq!((anew.issued(), anew.is_announced()), (0, false));
    }
}
