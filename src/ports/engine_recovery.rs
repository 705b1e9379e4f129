//! What an engine offers that can lose what it decided: to be doubted, verified and rebuilt.

use async_trait::async_trait;

use super::{EngineError, IssuanceStore, OutboxEntry};
use crate::domain::{Coupon, CouponId, Sequence};

/// Which life of a coupon an engine speaks of; grows with each rebuilding. 0 stands for none.
pub type Epoch = u64;

/// What a node knows of a coupon that it has seen the engine decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// The life of the coupon that this node knows.
    pub epoch: Epoch,
    /// The largest sequence this node has seen issued.
    pub issued: Sequence,
    /// Who holds what, as far as members were told so by this node and it is not known to be in the database.
    pub decided: Vec<OutboxEntry>,
}

/// What is known of a coupon elsewhere, against which an engine is verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HighWatermark {
    /// The newest life that anybody knows.
    pub epoch: Epoch,
    /// The largest sequence that the database holds or a node has seen.
    pub issued: Sequence,
}

/// An engine that keeps its own data, apart from the database, and may therefore come back with less than it had.
///
/// The order of calls on one coupon is: every node [`testifies`](Self::testify), one of them
/// [`suspends`](Self::suspend) it and then either [`verifies`](Self::verify) or [`rebuilds`](Self::rebuild) it, and at
/// last every node [`takes it up again`](Self::resume).
#[async_trait]
pub trait EngineRecovery: Send + Sync {
    /// Lets this node decide and tell nothing more of the coupon until [`EngineRecovery::resume`], and gives what it knows.
    /// The answer to a question that is under way comes too late: it is an error, whatever it says.
    fn halt_and_report(&self, coupon: &CouponId) -> NodeReport;

    /// The first sequence that this node keeps in mind because it may not be in the database.
    fn unsettled(&self, coupon: &CouponId) -> Option<Sequence>;

    /// Lets this node forget everything up to and including `through`: the database holds it.
    fn settled(&self, coupon: &CouponId, through: Sequence);

    /// Lets nobody on any node use the coupon before it is verified or rebuilt; gives the life it is in, 0 if the engine
    /// does not know it.
    async fn suspend(&self, coupon: &CouponId) -> Result<Epoch, EngineError>;

    /// What was decided in the life `epoch` and is still in the outbox: entries above `after`, at most `limit`. It may be
    /// read while the engine is fenced.
    async fn undelivered(
        &self,
        coupon: &CouponId,
        epoch: Epoch,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, EngineError>;

    /// Accepts the engine as it is, if it is whole and has nothing less than the `evidence`; gives the life it is in. The
    /// operator's words are those of `coupon`, as the catalogue has it, but the stricter lifecycle stays.
    ///
    /// # Errors
    /// [`EngineError::Fenced`] or [`EngineError::UnknownCoupon`] if it has to be rebuilt.
    async fn verify(&self, coupon: &Coupon, evidence: HighWatermark) -> Result<Epoch, EngineError>;

    /// Empties the engine of `coupon` and fills it with what `store` holds, in a new life above `evidence.epoch`, which
    /// it gives. May be repeated, also by another node after this one has died in the middle: until it is done, the
    /// coupon is fenced. Only for whom the database holds every sequence of the evidence.
    async fn rebuild(
        &self,
        coupon: &Coupon,
        evidence: HighWatermark,
        store: &dyn IssuanceStore,
    ) -> Result<Epoch, EngineError>;

    /// Lets this node decide again, in the life in which the engine is now.
    ///
    /// # Errors
    /// [`EngineError::Fenced`] if the engine is not verified, or has less than this node has seen.
    async fn resume(&self, coupon: &CouponId) -> Result<(), EngineError>;
}
