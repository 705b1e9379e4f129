//! Ack levels: how far an issuance must have got before its member is answered. `granted` is the engine's own step,
//! `queued` the broker's confirm, `persisted` the database's commit.
//!
//! The wait begins after the verdict and runs in the request's own task, so it delays neither the coupon's actor nor other
//! requests. It never changes the verdict: a member whose wait times out holds the coupon all the same.

mod poller;

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

use self::poller::Poller;
use super::answer::IssueError;
use super::handle::CouponHandle;
use crate::actors::delivery::AckBoard;
use crate::actors::delivery::PublisherInbox;
use crate::actors::delivery::ack_board::Expected;
use crate::clock;
use crate::domain::{AckLevel, IssuedCoupon, MemberId};
use crate::gate::Passage;
use crate::ports::IssuanceStore;
use crate::telemetry::Metrics;

/// The coupon is issued, but its issuance has not reached the level in time. Requesting again gives the same coupon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the coupon is issued, but not yet {}", .0.as_str())]
pub struct AckPending(pub AckLevel);

/// The sources that know how far an issuance has got between the engine and the database.
#[derive(Clone)]
pub struct AckSources {
    /// Knows the confirms of this node's publisher.
    pub publisher: PublisherInbox,
    /// Knows the committed rows of every node. A row proves `queued` as well: it has been in the queue.
    pub store: Arc<dyn IssuanceStore>,
}

/// The ack levels of one node; cheap to clone.
#[derive(Clone)]
pub struct Acks {
    /// The lowest level that this node answers at.
    floor: AckLevel,
    /// Absent if the engine decides in the database: the decision reaches every level.
    sources: Option<AckSources>,
    /// The runtime of the poller.
    runtime: Handle,
    metrics: Arc<Metrics>,
}

/// The permission of one request to wait for its ack level; released when dropped.
pub enum AckSlot<'a> {
    /// The decision reaches the level: there is no wait.
    NotNeeded,
    Held(HeldAckSlot<'a>),
    /// There is no permit left. The gate rejects this member, so no issuance is expected to wait here.
    NoRoom(AckLevel),
}

/// A permit, and the sources that the request waits for.
pub struct HeldAckSlot<'a> {
    acks: &'a Acks,
    sources: &'a AckSources,
    level: AckLevel,
    _permit: OwnedSemaphorePermit,
    /// Makes the publisher send its publish batch without waiting for more events.
    _expected: Expected,
}

impl Acks {
    /// Levels of at least `floor`. Must be called inside a runtime, on which the poller runs then.
    #[must_use]
    pub fn new(floor: AckLevel, sources: Option<AckSources>, metrics: Arc<Metrics>) -> Self {
        Self { floor, sources, runtime: Handle::current(), metrics }
    }

    /// The level of a request that prefers `preferred`: never below this node's own.
    #[must_use]
    pub fn level(&self, preferred: Option<AckLevel>) -> AckLevel {
        preferred.map_or(self.floor, |preferred| preferred.max(self.floor))
    }

    /// Reserves a slot to wait for `level`. Called before the engine is asked, so that a request without a slot has issued
    /// nothing.
    ///
    /// # Errors
    /// [`IssueError::Overloaded`] if all permits of the coupon are in use. A member whom the gate rejects gets
    /// [`AckSlot::NoRoom`] instead, and so the rejection, however many requests wait.
    pub fn reserve(
        &self,
        coupon: &CouponHandle,
        member: &MemberId,
        level: AckLevel,
    ) -> Result<AckSlot<'_>, IssueError> {
        let Some(sources) = self.sources.as_ref().filter(|_| level > AckLevel::Granted) else {
            return Ok(AckSlot::NotNeeded);
        };
        match coupon.ack_permit() {
            Ok(permit) => Ok(AckSlot::Held(HeldAckSlot {
                acks: self,
                sources,
                level,
                _permit: permit,
                _expected: sources.publisher.acks.expect(),
            })),
            Err(_) if matches!(coupon.gate().judge(member, clock::now()), Passage::Reject(_)) => {
                Ok(AckSlot::NoRoom(level))
            }
            Err(overloaded) => Err(overloaded),
        }
    }

    async fn wait(&self, sources: &AckSources, issuance: &IssuedCoupon, level: AckLevel) {
        let AckSources { publisher, store } = sources;
        let board = &publisher.acks;
        // Registers first and checks then, so that a confirm between the two is not missed.
        let mut wait = board.wait(issuance, level);
        if level <= AckLevel::Queued && publisher.confirmed.contains(&issuance.coupon_id, issuance.sequence) {
            return;
        }
        if board.claim_poller() {
            let poller =
                Poller { board: board.clone(), store: Arc::clone(store), metrics: Arc::clone(&self.metrics) };
            self.runtime.spawn(poller.run());
        }
        // The board drops the sender only after it has used it, or when this wait is dropped.
        let _reached = (&mut wait.reached).await;
    }
}

impl AckSlot<'_> {
    /// Waits until `issuance` has reached the level of this slot.
    ///
    /// # Errors
    /// [`AckPending`] if it has not by `deadline`.
    pub async fn reached(&self, issuance: &IssuedCoupon, deadline: Instant) -> Result<(), AckPending> {
        let HeldAckSlot { acks, sources, level, .. } = match self {
            Self::NotNeeded => return Ok(()),
            Self::NoRoom(level) => return Err(AckPending(*level)),
            Self::Held(slot) => slot,
        };
        let started = Instant::now();
        let _waiting = acks.metrics.ack_wait();
        let wait = acks.wait(sources, issuance, *level);
        timeout_at(deadline.into(), wait).await.map_err(|_elapsed| AckPending(*level))?;
        acks.metrics.ack_reached(*level, started.elapsed());
        Ok(())
    }
}
