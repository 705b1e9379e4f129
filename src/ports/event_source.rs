//! Delivery of issuances to persisters.

use async_trait::async_trait;

use super::{BoxError, CouponIssued};

/// Id of a delivery within its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryTag(pub u64);

/// One issuance in flight. It returns to the queue unless it is acknowledged or rejected. A message with several
/// issuances returns as a whole while one of them is neither.
#[derive(Debug)]
pub struct Delivery {
    /// Id for [`EventStream::ack`] and [`EventStream::reject`].
    pub tag: DeliveryTag,
    /// The event, or the reason for which it is unreadable, which may concern the whole message.
    pub event: Result<CouponIssued, String>,
}

/// A failed read or acknowledgement.
#[derive(Debug, thiserror::Error)]
#[error("the queue cannot be read: {0}")]
pub struct SourceError(#[source] pub BoxError);

/// Opens streams of deliveries.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// Opens an independent stream with at most `prefetch` messages in flight. A message is one delivery or several.
    async fn open(&self, prefetch: u16) -> Result<Box<dyn EventStream>, SourceError>;
}

/// Deliveries in the order of the queue. Dropping the stream returns unacknowledged ones to the queue.
#[async_trait]
pub trait EventStream: Send {
    /// Waits for the next delivery. Cancel safe.
    async fn next(&mut self) -> Result<Delivery, SourceError>;

    /// Acknowledges deliveries: their issuances are committed in the database.
    async fn ack(&mut self, tags: &[DeliveryTag]) -> Result<(), SourceError>;

    /// Moves a delivery to the dead letters, without the other deliveries of its message. Returns the letter's id;
    /// `None` if the delivery is acknowledged or rejected already.
    async fn reject(&mut self, tag: DeliveryTag, reason: &str) -> Result<Option<String>, SourceError>;
}
