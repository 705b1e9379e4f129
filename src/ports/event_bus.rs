//! Transport of issuances to the database, at least once.

use async_trait::async_trait;

use super::BoxError;
use crate::domain::{IssuedCoupon, Traceparent};

/// The event that a coupon has been issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CouponIssued {
    /// The issuance.
    pub issuance: IssuedCoupon,
    /// Trace of the issue request.
    pub traceparent: Option<Traceparent>,
}

/// Reason for which a publish batch is not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No connection, a lost connection, or a missing confirm. Some of the events may have arrived.
    #[error("the broker did not confirm: {0}")]
    Unavailable(#[source] BoxError),
    /// The broker returned messages: no queue is bound for them.
    #[error("the broker returned {0} messages as unroutable")]
    Returned(usize),
    /// The broker answered with nacks.
    #[error("the broker refused {0} messages")]
    Refused(usize),
}

impl BusError {
    /// The word for failures of this kind, in traces.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Returned(_) => "returned",
            Self::Refused(_) => "refused",
        }
    }
}

/// Publishes issuances.
///
/// `publish` returns `Ok` only when the broker has confirmed **every** event of the batch as durable. After any error
/// the whole batch has to be published again; receivers are idempotent.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Publishes one batch and waits for all confirms, within a bound of its own.
    async fn publish(&self, window: &[CouponIssued]) -> Result<(), BusError>;

    /// Messages in the queue, without those in flight to a consumer. A message has one event or several: the number
    /// tells whether consumers are behind, and not by how much.
    async fn backlog(&self) -> Result<u64, BusError>;

    /// Closes the connection in an orderly way.
    async fn close(&self);
}
