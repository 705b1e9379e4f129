//! Where persisters get issuances from.

use async_trait::async_trait;

use super::{BoxError, CouponIssued};

/// Names one delivery on the stream it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryTag(pub u64);

/// One issuance in our hands; it goes back to the queue unless it is acknowledged or rejected. The message it came in may
/// have others, and goes back as a whole as long as one of them is neither.
#[derive(Debug)]
pub struct Delivery {
    /// Its name for [`EventStream::ack`] and [`EventStream::reject`].
    pub tag: DeliveryTag,
    /// What it says, or why it cannot be read. That may be the reason for a whole message.
    pub event: Result<CouponIssued, String>,
}

/// Why the source gave nothing.
#[derive(Debug, thiserror::Error)]
#[error("the queue cannot be read: {0}")]
pub struct SourceError(#[source] pub BoxError);

/// Opens streams of deliveries.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// A stream of its own, holding at most `prefetch` messages at a time. Each of them is one delivery or several.
    async fn open(&self, prefetch: u16) -> Result<Box<dyn EventStream>, SourceError>;
}

/// Deliveries, in the order of the queue. Dropping the stream gives back what was neither acknowledged nor rejected.
#[async_trait]
pub trait EventStream: Send {
    /// The next delivery, as soon as there is one. Cancelling this call loses nothing.
    async fn next(&mut self) -> Result<Delivery, SourceError>;

    /// Says that these are in the database for good.
    async fn ack(&mut self, tags: &[DeliveryTag]) -> Result<(), SourceError>;

    /// Sends this one to the dead letters, alone even if it came in a message with others. Gives the letter's id; nothing
    /// if it was answered already.
    async fn reject(&mut self, tag: DeliveryTag, reason: &str) -> Result<Option<String>, SourceError>;
}
