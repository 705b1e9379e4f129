//! How issuances leave for the database: transport only, at least once.

use async_trait::async_trait;

use super::BoxError;
use crate::domain::{IssuedCoupon, Traceparent};

/// A coupon has been issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CouponIssued {
    /// What was issued to whom.
    pub issuance: IssuedCoupon,
    /// The trace of the request that asked for it.
    pub traceparent: Option<Traceparent>,
}

/// Why a window of events is not known to have arrived.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No connection, a lost one, or no confirm in time. Some of the window may have arrived.
    #[error("the broker did not confirm: {0}")]
    Unavailable(#[source] BoxError),
    /// The broker gave messages back: nobody would have received them.
    #[error("the broker returned {0} messages as unroutable")]
    Returned(usize),
    /// The broker refused to take responsibility.
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

/// Sends issuances.
///
/// `publish` returns `Ok` only when the broker took responsibility for **every** event of the window, durably. After
/// any error the whole window is to be published again; receivers are idempotent.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Publishes one window and waits for all confirms, within a bound of its own.
    async fn publish(&self, window: &[CouponIssued]) -> Result<(), BusError>;

    /// How many messages wait in the queue, not counting those in the hands of receivers. A message is one event or several:
    /// this tells whether receivers are behind, and not by how much.
    async fn backlog(&self) -> Result<u64, BusError>;

    /// Closes the connection in an orderly way.
    async fn close(&self);
}
