//! How far an issuance must have got before its member is told of it: `granted` is the engine's own step, `queued` the
//! broker's confirm, `persisted` the database's commit.
//!
//! Waiting begins after the verdict and in the request's own task, so that it holds up neither the coupon's actor nor
//! anybody else. It never changes the verdict: whose time is up holds a coupon all the same.

mod poller;

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

use self::poller::Poller;
use super::answer::AskError;
use super::handle::CouponHandle;
use crate::actors::delivery::AckBoard;
use crate::actors::delivery::PublisherInbox;
use crate::actors::delivery::ack_board::Expected;
use crate::clock;
use crate::domain::{AckLevel, IssuedCoupon, MemberId};
use crate::gate::Passage;
use crate::ports::IssuanceStore;
use crate::telemetry::Metrics;

/// The coupon is issued, but has not got as far in time as its member wants to know. Asking again gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the coupon is issued, but not yet {}", .0.as_str())]
pub struct AckPending(pub AckLevel);

/// What knows how far issuances have got between the engine and the database.
#[derive(Clone)]
pub struct AckSources {
    /// Knows what the broker has confirmed to this node, and writes on the board what it confirms.
    pub publisher: PublisherInbox,
    /// Knows what is committed, whoever wrote it. It also answers for what this node's publisher does not know: what is
    /// in the database has been in the queue.
    pub store: Arc<dyn IssuanceStore>,
}

/// The levels of one node; cheap to clone.
#[derive(Clone)]
pub struct Acks {
    /// The level below which no member is told anything.
    floor: AckLevel,
    /// Absent where the engine's own step is the database's: there every level is reached with the decision.
    sources: Option<AckSources>,
    /// Where the poller runs.
    runtime: Handle,
    metrics: Arc<Metrics>,
}

impl Acks {
    /// Levels of at least `floor`. Without `sources` all of them are reached with the engine's decision. Must be called
    /// inside a runtime, which is the one that asks the database.
    #[must_use]
    pub fn new(floor: AckLevel, sources: Option<AckSources>, metrics: Arc<Metrics>) -> Self {
        Self { floor, sources, runtime: Handle::current(), metrics }
    }

    /// The level that holds for a member who wishes for `wish`: never less than this node's own.
    #[must_use]
    pub fn level(&self, wish: Option<AckLevel>) -> AckLevel {
        wish.map_or(self.floor, |wish| wish.max(self.floor))
    }

    /// Takes a place among those who may wait for `level`. It is taken before the engine is asked, so that whom there is
    /// no room for has not been issued anything.
    ///
    /// # Errors
    /// [`AskError::Overloaded`] if as many hold one as may wait for the coupon.
    pub fn place(
        &self,
        coupon: &CouponHandle,
        member: &MemberId,
        level: AckLevel,
    ) -> Result<AckSlot<'_>, AskError> {
        let sources = self.sources.as_ref().filter(|_| level > AckLevel::Granted);
        let permit = match sources.map(|_| coupon.ack_permit()) {
            // Whom the gate turns away is told so, however many wait.
            Some(Err(_)) if matches!(coupon.gate().judge(member, clock::now()), Passage::Reject(_)) => None,
            Some(permit) => Some(permit?),
            None => None,
        };
        let expected = sources.map(|sources| sources.publisher.acks.expect());
        Ok(AckSlot { acks: self, sources, level, permit, _expected: expected })
    }
}

/// A place among those who may wait; free again when it is dropped.
pub struct AckSlot<'a> {
    acks: &'a Acks,
    /// Absent if there is nothing to wait for.
    sources: Option<&'a AckSources>,
    level: AckLevel,
    /// Absent also where the gate should have turned the member away.
    permit: Option<OwnedSemaphorePermit>,
    /// Tells the publisher not to let this member wait for company.
    _expected: Option<Expected>,
}

impl AckSlot<'_> {
    /// Waits until `issuance` has reached the level of this place.
    ///
    /// # Errors
    /// [`AckPending`] if it has not by `deadline`.
    pub async fn reached(&self, issuance: &IssuedCoupon, deadline: Instant) -> Result<(), AckPending> {
        let Some(sources) = self.sources else { return Ok(()) };
        let Some(_permit) = &self.permit else { return Err(AckPending(self.level)) };
        let metrics = &*self.acks.metrics;
        let (begun, _waiting) = (Instant::now(), metrics.ack_waits());
        let wait = self.acks.wait(sources, issuance, self.level);
        let reached = timeout_at(deadline.into(), wait).await;
        reached.map_err(|_elapsed| AckPending(self.level))?;
        metrics.ack_reached(self.level, begun.elapsed());
        Ok(())
    }
}

impl Acks {
    async fn wait(&self, sources: &AckSources, issuance: &IssuedCoupon, level: AckLevel) {
        let AckSources { publisher, store } = sources;
        let board = &publisher.acks;
        // First on the list, then a look: what is confirmed between the two is not missed.
        let mut wait = board.wait(issuance, level);
        let confirmed = || publisher.confirmed.contains(&issuance.coupon_id, issuance.sequence);
        if level <= AckLevel::Queued && confirmed() {
            return;
        }
        if board.wants_poller() {
            let poller =
                Poller { board: board.clone(), store: Arc::clone(store), metrics: Arc::clone(&self.metrics) };
            self.runtime.spawn(poller.run());
        }
        // The sender is dropped only by being used, or by this very wait.
        let _told = (&mut wait.told).await;
    }
}
