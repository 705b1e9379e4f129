//! A store whose inserts are steps of a trace.

use std::sync::Arc;

use async_trait::async_trait;

use super::DatabaseCall;
use crate::domain::{CouponId, IssuedCoupon, MemberId, Sequence};
use crate::ports::{InsertReport, IssuanceStore, StoreError};

/// A store with a span around what is written into it.
pub struct TracedStore {
    store: Arc<dyn IssuanceStore>,
    insert: DatabaseCall,
}

impl TracedStore {
    /// Puts spans around `store`, which writes by this call.
    #[must_use]
    pub fn new(store: Arc<dyn IssuanceStore>, insert: DatabaseCall) -> Self {
        Self { store, insert }
    }
}

/// The word that failures of one kind have in common.
fn kind_of(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Rejected(_) => "rejected",
        StoreError::AboveTotal(_) => "above_total",
    }
}

#[async_trait]
impl IssuanceStore for TracedStore {
    async fn insert(&self, batch: &[IssuedCoupon]) -> Result<InsertReport, StoreError> {
        self.insert.run(batch.len(), self.store.insert(batch), kind_of).await
    }

    async fn watermark(&self, coupon: &CouponId, known: Sequence) -> Result<Sequence, StoreError> {
        self.store.watermark(coupon, known).await
    }

    async fn highest(&self, coupon: &CouponId) -> Result<Sequence, StoreError> {
        self.store.highest(coupon).await
    }

    async fn holders(
        &self,
        coupon: &CouponId,
        sequences: &[Sequence],
    ) -> Result<Vec<(Sequence, MemberId)>, StoreError> {
        self.store.holders(coupon, sequences).await
    }

    async fn list(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<IssuedCoupon>, StoreError> {
        self.store.list(coupon, after, limit).await
    }
}
