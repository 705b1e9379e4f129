//! The outbox: decided issuances that may not be in the database yet.

use async_trait::async_trait;

use super::EngineError;
use crate::domain::{CouponId, Grant, MemberId, Sequence, Traceparent};

/// One decided issuance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The holder.
    pub member: MemberId,
    /// Sequence and time.
    pub grant: Grant,
    /// Trace of the issue request.
    pub traceparent: Option<Traceparent>,
}

/// Entries are written by the engine in the atomic step that decides, and read by publishers.
///
/// Only [`Outbox::trim`] removes entries. Its caller must know that the database has them.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Entries with a sequence above `after`, in order, at most `limit`.
    async fn pending(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, EngineError>;

    /// Removes every entry up to and including `through`. Idempotent.
    async fn trim(&self, coupon: &CouponId, through: Sequence) -> Result<(), EngineError>;

    /// Number of entries.
    async fn depth(&self, coupon: &CouponId) -> Result<u64, EngineError>;
}
