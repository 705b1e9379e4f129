//! An engine whose decisions and answers are steps of a trace.

use std::sync::Arc;

use async_trait::async_trait;

use super::DatabaseCall;
use crate::domain::{
    AdmissionRequest, AmendmentError, Coupon, CouponId, Grant, MemberId, Reconfiguration, Standing,
};
use crate::ports::{AdmissionEngine, BatchAnswer, CouponsPage, EngineError, HoldersPage};

/// An engine with spans around what members ask of it.
pub struct TracedEngine {
    engine: Arc<dyn AdmissionEngine>,
    admit: DatabaseCall,
    find: DatabaseCall,
}

impl TracedEngine {
    /// Puts spans around `engine`, which decides and looks up by these calls.
    #[must_use]
    pub fn new(engine: Arc<dyn AdmissionEngine>, admit: DatabaseCall, find: DatabaseCall) -> Self {
        Self { engine, admit, find }
    }
}

/// The word that failures of one kind have in common.
fn kind_of(error: &EngineError) -> &'static str {
    match error {
        EngineError::UnknownCoupon => "unknown_coupon",
        EngineError::Fenced(_) => "fenced",
        EngineError::Unavailable(_) => "unavailable",
        EngineError::Busy(_) => "busy",
        EngineError::Corrupt(_) => "corrupt",
    }
}

#[async_trait]
impl AdmissionEngine for TracedEngine {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    async fn load(&self, coupon: &Coupon) -> Result<(), EngineError> {
        self.engine.load(coupon).await
    }

    async fn admit(&self, coupon: &CouponId, batch: &[AdmissionRequest]) -> Result<BatchAnswer, EngineError> {
        self.admit.run(batch.len(), self.engine.admit(coupon, batch), kind_of).await
    }

    async fn find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError> {
        self.find.run(1, self.engine.find(coupon, member), kind_of).await
    }

    async fn standing(&self, coupon: &CouponId) -> Result<Standing, EngineError> {
        self.engine.standing(coupon).await
    }

    async fn holders(&self, coupon: &CouponId, cursor: u64) -> Result<HoldersPage, EngineError> {
        self.engine.holders(coupon, cursor).await
    }

    async fn coupons(&self, cursor: u64) -> Result<CouponsPage, EngineError> {
        self.engine.coupons(cursor).await
    }

    async fn reconfigure(
        &self,
        coupon: &CouponId,
        change: Reconfiguration,
    ) -> Result<Result<Standing, AmendmentError>, EngineError> {
        self.engine.reconfigure(coupon, change).await
    }

    async fn revision(&self) -> Result<u64, EngineError> {
        self.engine.revision().await
    }

    async fn announce(&self) -> Result<(), EngineError> {
        self.engine.announce().await
    }
}
