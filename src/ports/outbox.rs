//! What has been decided but is not yet known to be in the database.

use async_trait::async_trait;

use super::EngineError;
use crate::domain::{CouponId, Grant, MemberId, Sequence, Traceparent};

/// One issuance on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Who it was issued to.
    pub member: MemberId,
    /// Its sequence and time.
    pub grant: Grant,
    /// The trace of the request that asked for it.
    pub traceparent: Option<Traceparent>,
}

/// Written by the engine in the same atomic step that decides; read by publishers.
///
/// An entry leaves only by [`Outbox::trim`], which may be called only for what the database holds.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Entries with a sequence above `after`, in order, at most `limit`.
    async fn pending(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, EngineError>;

    /// Drops every entry up to and including `through`. Idempotent.
    async fn trim(&self, coupon: &CouponId, through: Sequence) -> Result<(), EngineError>;

    /// How many entries there are.
    async fn depth(&self, coupon: &CouponId) -> Result<u64, EngineError>;
}
