//! The coupons of the run.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::rng::Rng;

/// A coupon of the run.
#[derive(Debug)]
pub(super) struct OfferedCoupon {
    pub(super) id: Arc<str>,
    /// The last total that the operator requested.
    total: AtomicU32,
    /// Whether it is large enough never to sell out.
    pub(super) is_large: bool,
}

impl OfferedCoupon {
    pub(super) fn new(id: Arc<str>, total: u32, is_large: bool) -> Self {
        Self { id, total: AtomicU32::new(total), is_large }
    }

    pub(super) fn total(&self) -> u32 {
        self.total.load(Ordering::Relaxed)
    }

    pub(super) fn raised_to(&self, total: u32) {
        self.total.fetch_max(total, Ordering::Relaxed);
    }
}

/// The newest small coupons that members request, most of them sold out.
const SMALL_MAX: usize = 8;

/// All coupons, the newest at the end.
#[derive(Debug, Default)]
pub(super) struct Coupons(RwLock<Vec<Arc<OfferedCoupon>>>);

impl Coupons {
    /// Adds an existing coupon, which members request from now on.
    pub(super) fn open(&self, coupon: OfferedCoupon) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(coupon));
    }

    pub(super) fn all(&self) -> Vec<Arc<OfferedCoupon>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A random one of the newest small coupons.
    pub(super) fn any_small(&self, rng: &mut Rng) -> Option<Arc<OfferedCoupon>> {
        let stalls = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let small: Vec<_> = stalls.iter().rev().filter(|coupon| !coupon.is_large).take(SMALL_MAX).collect();
        rng.pick(&small).map(|coupon| Arc::clone(coupon))
    }

    /// A random coupon for the next member: large or small with equal probability.
    pub(super) fn any(&self, rng: &mut Rng) -> Option<Arc<OfferedCoupon>> {
        if rng.chance_percent(50)
            && let Some(small) = self.any_small(rng)
        {
            return Some(small);
        }
        let stalls = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let large: Vec<_> = stalls.iter().filter(|coupon| coupon.is_large).collect();
        rng.pick(&large).map(|coupon| Arc::clone(coupon))
    }
}
