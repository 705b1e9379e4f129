//! Recovery of an engine that can lose decisions: halt, verify, rebuild, resume.

use async_trait::async_trait;

use super::{EngineError, IssuanceStore, OutboxEntry};
use crate::domain::{Coupon, CouponId, Sequence};

/// Number of one loading of a coupon into the engine; grows with each rebuild. 0 if it was never loaded.
pub type Epoch = u64;

/// Knowledge of one node about the engine's decisions on a coupon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// Epoch of the coupon that this node knows.
    pub epoch: Epoch,
    /// Largest sequence in the answers of the engine to this node.
    pub issued: Sequence,
    /// Grants that this node reported to members and that may not be in the database yet.
    pub decided: Vec<OutboxEntry>,
}

/// Lower bounds known outside the engine, against which the engine is verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HighWatermark {
    /// Newest epoch known to any node.
    pub epoch: Epoch,
    /// Largest sequence in the database or in a node report.
    pub issued: Sequence,
}

/// An engine that keeps its own data, apart from the database, and may therefore lose decisions.
///
/// The order of calls on one coupon: every node calls [`halt_and_report`](Self::halt_and_report); one node calls
/// [`suspend`](Self::suspend) and then either [`verify`](Self::verify) or [`rebuild`](Self::rebuild); at last every
/// node calls [`resume`](Self::resume).
#[async_trait]
pub trait EngineRecovery: Send + Sync {
    /// Stops decisions and answers of this node on the coupon until [`EngineRecovery::resume`], and returns the
    /// knowledge of the node. Replies in flight are discarded: they become errors.
    fn halt_and_report(&self, coupon: &CouponId) -> NodeReport;

    /// First sequence in this node's memory that may not be in the database.
    fn first_unconfirmed(&self, coupon: &CouponId) -> Option<Sequence>;

    /// Forgets every grant up to and including `through`, because the database holds it.
    fn forget_through(&self, coupon: &CouponId, through: Sequence);

    /// Stops the use of the coupon by every node until it is verified or rebuilt, and returns its epoch; 0 if the
    /// engine does not know the coupon.
    async fn suspend(&self, coupon: &CouponId) -> Result<Epoch, EngineError>;

    /// Outbox entries of `epoch` with a sequence above `after`, at most `limit`. Also works while the engine is fenced.
    async fn undelivered(
        &self,
        coupon: &CouponId,
        epoch: Epoch,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, EngineError>;

    /// Accepts the data of the engine if it is complete and not behind `evidence`, and returns its epoch. Sale period,
    /// total and lifecycle become those of `coupon`, which is read from the catalogue; a stricter lifecycle in the
    /// engine stays.
    ///
    /// # Errors
    /// [`EngineError::Fenced`] or [`EngineError::UnknownCoupon`] if the engine has to be rebuilt.
    async fn verify(&self, coupon: &Coupon, evidence: HighWatermark) -> Result<Epoch, EngineError>;

    /// Deletes the engine's data of `coupon`, loads the rows of `store` in a new epoch above `evidence.epoch`, and
    /// returns that epoch. May be repeated, also by another node after a crash in the middle: the coupon is fenced
    /// until a rebuild is complete. Requires that the database holds every sequence up to `evidence.issued`.
    async fn rebuild(
        &self,
        coupon: &Coupon,
        evidence: HighWatermark,
        store: &dyn IssuanceStore,
    ) -> Result<Epoch, EngineError>;

    /// Lets this node decide again, in the engine's present epoch.
    ///
    /// # Errors
    /// [`EngineError::Fenced`] if the engine is not verified, or is behind the knowledge of this node.
    async fn resume(&self, coupon: &CouponId) -> Result<(), EngineError>;
}
