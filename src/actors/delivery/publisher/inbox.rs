//! The way to the publisher: what is offered to it, and what others may know of it.

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

/// The way to the publisher of this node, whichever incarnation is alive.
#[derive(Clone, Default)]
pub struct PublisherInbox {
    /// The publisher of the moment, with its own count: what a dead one had at hand is not taken from its successor's.
    pub(super) current: Arc<ArcSwapOption<Current>>,
    /// Whether the window sent last was not confirmed: then the broker is away, and nothing more is asked of it.
    pub(super) failing: Arc<AtomicBool>,
    pub(crate) confirmed: Confirmed,
    /// Where it is written for whoever waits.
    pub(crate) acks: AckBoard,
    metrics: Option<Arc<Metrics>>,
}

impl PublisherInbox {
    /// An inbox that counts what it leaves to the sweep.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics: Some(metrics), ..Self::default() }
    }

    /// Offers events. When there is no room they are left to the sweep, so the caller never waits.
    pub(crate) fn offer(&self, coupon: Arc<Coupon>, entries: Vec<OutboxEntry>) {
        let count = entries.len();
        let taken = self.current.load().as_deref().is_some_and(|Current { address, at_hand }| {
            let room = at_hand.fetch_add(count, Ordering::AcqRel) + count <= QUEUE_MAX;
            let sent = room && address.try_send(Publish { coupon, entries }).is_ok();
            if !sent {
                at_hand.fetch_sub(count, Ordering::AcqRel);
            }
            sent
        });
        if let (false, Some(metrics)) = (taken, &self.metrics) {
            metrics.publish_deferred.inc_by(count as u64);
        }
    }

    /// Where it is written how far issuances have got, for whoever waits on this node.
    #[must_use]
    pub fn acks(&self) -> &AckBoard {
        &self.acks
    }

    /// Whether the broker did not confirm what was sent to it last.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// How many events wait or are under way.
    #[must_use]
    pub fn at_hand(&self) -> usize {
        self.current.load().as_deref().map_or(0, |current| current.at_hand.load(Ordering::Acquire))
    }
}

/// One life of the publisher.
pub(super) struct Current {
    pub(super) address: Addr<PublisherActor>,
    /// Events at hand, counted from the offer until the confirm.
    pub(super) at_hand: Arc<AtomicUsize>,
}
