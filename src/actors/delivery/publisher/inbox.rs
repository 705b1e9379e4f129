//! The entrance to the publisher, which outlives its incarnations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix::Addr;
use arc_swap::ArcSwapOption;

use super::{Publish, PublisherActor, QUEUE_MAX};
use crate::actors::delivery::AckBoard;
use crate::actors::delivery::confirmed::Confirmed;
use crate::domain::Coupon;
use crate::ports::OutboxEntry;
use crate::telemetry::Metrics;

/// Accepts events for the current incarnation of the publisher, and shows the publisher's state. Cheap to clone.
#[derive(Clone, Default)]
pub struct PublisherInbox {
    /// Each incarnation has its own count of pending events: the events of a dead one are not its successor's.
    pub(super) current: Arc<ArcSwapOption<Current>>,
    /// Whether the broker did not confirm the last publish batch.
    pub(super) failing: Arc<AtomicBool>,
    pub(crate) confirmed: Confirmed,
    pub(crate) acks: AckBoard,
    metrics: Option<Arc<Metrics>>,
}

impl PublisherInbox {
    /// An inbox that counts the events which it leaves to the sweep.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics: Some(metrics), ..Self::default() }
    }

    /// Hands events to the publisher. Events without room are left to the sweep, so that the caller never waits.
    pub(crate) fn offer(&self, coupon: Arc<Coupon>, entries: Vec<OutboxEntry>) {
        let count = entries.len();
        let is_sent = self.current.load().as_deref().is_some_and(|Current { address, pending }| {
            let has_room = pending.fetch_add(count, Ordering::AcqRel) + count <= QUEUE_MAX;
            let is_sent = has_room && address.try_send(Publish { coupon, entries }).is_ok();
            if !is_sent {
                pending.fetch_sub(count, Ordering::AcqRel);
            }
            is_sent
        });
        if !is_sent && let Some(metrics) = &self.metrics {
            metrics.publish_deferred.inc_by(count as u64);
        }
    }

    #[must_use]
    pub fn acks(&self) -> &AckBoard {
        &self.acks
    }

    /// Whether the broker did not confirm the last publish batch.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Events that wait or are in flight.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.current.load().as_deref().map_or(0, |current| current.pending.load(Ordering::Acquire))
    }
}

/// The current incarnation of the publisher.
pub(super) struct Current {
    pub(super) address: Addr<PublisherActor>,
    /// Events from the offer until the confirm.
    pub(super) pending: Arc<AtomicUsize>,
}
