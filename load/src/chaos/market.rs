//! The coupons that members may ask for at the moment.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::rng::Rng;

/// A coupon of the run.
#[derive(Debug)]
pub(super) struct Stall {
    pub(super) id: Arc<str>,
    /// What the operator has last been told to be its total.
    total: AtomicU32,
    /// Whether it is large enough never to sell out.
    pub(super) is_large: bool,
}

impl Stall {
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

/// Small coupons that are kept after they sold out: members go on asking for them.
const SMALL_MAX: usize = 8;

/// All coupons, those that came last at the end.
#[derive(Debug, Default)]
pub(super) struct Market(RwLock<Vec<Arc<Stall>>>);

impl Market {
    /// Lets members ask for a coupon, which must exist.
    pub(super) fn open(&self, stall: Stall) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(stall));
    }

    /// Every coupon there has been.
    pub(super) fn all(&self) -> Vec<Arc<Stall>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of the small coupons that are asked for.
    pub(super) fn any_small(&self, rng: &mut Rng) -> Option<Arc<Stall>> {
        let stalls = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let small: Vec<_> = stalls.iter().rev().filter(|stall| !stall.is_large).take(SMALL_MAX).collect();
        rng.pick(&small).map(|stall| Arc::clone(stall))
    }

    /// What the next member wants: as often a large coupon as a small one.
    pub(super) fn any(&self, rng: &mut Rng) -> Option<Arc<Stall>> {
        if rng.chance_percent(50)
            && let Some(small) = self.any_small(rng)
        {
            return Some(small);
        }
        let stalls = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let large: Vec<_> = stalls.iter().filter(|stall| stall.is_large).collect();
        rng.pick(&large).map(|stall| Arc::clone(stall))
    }
}
