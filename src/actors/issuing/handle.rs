//! One coupon on this node: what HTTP workers hold of it, and the way to its actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::Recipient;
use actix::prelude::SendError;
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout_at;

use super::answer::{Answer, AskError, Issued};
use super::batch::{Ask, IssueCoupon, Reply};
use crate::actors::issuing::WakeSignal;

use crate::clock;
use crate::domain::{
    Coupon, CouponId, CouponState, Grant, Inventory, IssuedCoupon, MemberId, Rejection, Sequence, Standing,
    Timestamp, Traceparent, Verdict,
};
use crate::gate::{Gate, GateView, Passage, Trust};

/// How long an asker waits before looking whether a dead actor has been replaced.
const REPLACEMENT_POLL: Duration = Duration::from_millis(10);
/// How old a standing may be to be shown without asking the engine.
const STANDING_FRESH_FOR: Duration = Duration::from_millis(100);

/// One coupon as this node knows it.
pub struct CouponHandle {
    id: CouponId,
    coupon: ArcSwap<Coupon>,
    /// What HTTP workers read without asking anyone.
    gate: Gate,
    /// One permit a member who waits: shedding is exact.
    permits: Arc<Semaphore>,
    /// One permit a member who waits for more than the engine's word, from before they ask until they are answered.
    ack_permits: Arc<Semaphore>,
    /// The actor of the moment; absent before the first and between two.
    address: ArcSwapOption<Recipient<IssueCoupon>>,
    /// Whether the actor stays down until an operator says otherwise, so that waiting for the next one is in vain.
    abandoned: AtomicBool,
    /// How the coupon stood when the engine last said so.
    seen: ArcSwapOption<(Standing, Instant)>,
    /// Set when the gate no longer fits what the engine said.
    refresh_requested: AtomicBool,
    /// Set when the catalogue's lifecycle was behind the engine's at the last look.
    was_behind: AtomicBool,
    signal: WakeSignal,
}

impl CouponHandle {
    pub(crate) fn new(coupon: Coupon, queue_limit: usize, signal: WakeSignal, trust: Arc<Trust>) -> Self {
        Self {
            id: coupon.id.clone(),
            coupon: ArcSwap::from_pointee(coupon),
            gate: Gate::new(trust),
            permits: Arc::new(Semaphore::new(queue_limit)),
            ack_permits: Arc::new(Semaphore::new(queue_limit)),
            address: ArcSwapOption::empty(),
            abandoned: AtomicBool::new(false),
            seen: ArcSwapOption::empty(),
            refresh_requested: AtomicBool::new(true),
            was_behind: AtomicBool::new(false),
            signal,
        }
    }

    /// The coupon's id.
    #[must_use]
    pub fn id(&self) -> &CouponId {
        &self.id
    }

    /// The coupon as the catalogue last gave it.
    #[must_use]
    pub fn coupon(&self) -> Arc<Coupon> {
        self.coupon.load_full()
    }

    /// What this node's workers know without asking.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The engine's last word on the coupon, if it is fresh.
    #[must_use]
    pub fn fresh_standing(&self) -> Option<Standing> {
        let (standing, age) = self.last_standing()?;
        (age < STANDING_FRESH_FOR).then_some(standing)
    }

    /// The engine's last word on the coupon, and how old it is: at most two seconds, while the engine answers.
    #[must_use]
    pub fn last_standing(&self) -> Option<(Standing, Duration)> {
        self.seen.load().as_deref().map(|(standing, at)| (*standing, at.elapsed()))
    }

    /// The true answer for `member`, or why there is none by `deadline`. Safe to repeat.
    ///
    /// # Errors
    /// [`AskError`]; none of them is a "no".
    pub async fn issue(
        &self,
        member: &MemberId,
        traceparent: Option<&Traceparent>,
        deadline: Instant,
    ) -> Result<Answer, AskError> {
        match self.gate.judge(member, clock::now()) {
            Passage::Reject(rejection) => return Ok(self.rejected(rejection)),
            Passage::Recovering => return Err(AskError::Recovering),
            Passage::Ask => {}
        }
        let verdict = self.ask(member, traceparent, deadline).await?;
        Ok(match verdict {
            Verdict::Issued(grant) => self.issued(member, grant, false),
            Verdict::Again(grant) => self.issued(member, grant, true),
            Verdict::Rejected(rejection) => self.rejected(rejection),
        })
    }

    /// Asks the actor; if it dies before it answers, asks the next one, because admission is idempotent.
    async fn ask(
        &self,
        member: &MemberId,
        traceparent: Option<&Traceparent>,
        deadline: Instant,
    ) -> Result<Verdict, AskError> {
        let mut asked = false;
        while Instant::now() < deadline {
            if let Some(answer) = self.post(member, traceparent, deadline)? {
                asked = true;
                match timeout_at(deadline.into(), answer).await {
                    Ok(Ok(reply)) => return reply,
                    Ok(Err(_actor_died)) => {}
                    Err(_elapsed) => return Err(AskError::Unknown),
                }
            }
            if self.abandoned.load(Ordering::Acquire) {
                break;
            }
            tokio::time::sleep(REPLACEMENT_POLL).await;
        }
        // Who was heard by one that died may hold a coupon; who was not certainly got none by this.
        Err(if asked { AskError::Unknown } else { AskError::Recovering })
    }

    /// Puts one ask into the actor's mailbox; `None` if there is no actor at the moment.
    fn post(
        &self,
        member: &MemberId,
        traceparent: Option<&Traceparent>,
        deadline: Instant,
    ) -> Result<Option<oneshot::Receiver<Reply>>, AskError> {
        let address = self.address.load();
        let Some(address) = address.as_deref() else { return Ok(None) };
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| AskError::Overloaded)?;
        let (reply, answer) = oneshot::channel();
        let ask = Ask { member: member.clone(), traceparent: traceparent.cloned(), reply, deadline, permit };
        match address.try_send(IssueCoupon(ask)) {
            Ok(()) => Ok(Some(answer)),
            // A mailbox has room for everybody who has a permit; only that of an actor which has not begun yet is small.
            Err(SendError::Full(_) | SendError::Closed(_)) => Ok(None),
        }
    }

    /// A place among those who wait for more than the engine's word; as many may as for that.
    pub(crate) fn ack_permit(&self) -> Result<OwnedSemaphorePermit, AskError> {
        Arc::clone(&self.ack_permits).try_acquire_owned().map_err(|_| AskError::Overloaded)
    }

    /// The issuance that `grant` gives to `member`.
    #[must_use]
    pub fn issuance(&self, member: &MemberId, grant: Grant) -> IssuedCoupon {
        self.coupon.load().issuance(member, grant)
    }

    fn issued(&self, member: &MemberId, grant: Grant, again: bool) -> Answer {
        Answer::Issued(Issued { coupon: self.issuance(member, grant), again })
    }

    fn rejected(&self, rejection: Rejection) -> Answer {
        let opens_at = (rejection == Rejection::NotOpen).then(|| self.coupon.load().window.opens_at());
        Answer::Rejected { rejection, opens_at }
    }

    pub(crate) fn set_coupon(&self, coupon: Coupon) {
        self.coupon.store(Arc::new(coupon));
    }

    pub(super) fn set_address(&self, address: Recipient<IssueCoupon>) {
        self.address.store(Some(Arc::new(address)));
        self.abandoned.store(false, Ordering::Release);
    }

    /// Says that there will be no next actor until an operator wants one: askers are told at once.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.address.load().as_deref().is_some_and(Recipient::connected)
    }

    /// How many members wait for its actor, where at most `queue_limit` may.
    pub(crate) fn waiting(&self, queue_limit: usize) -> usize {
        queue_limit.saturating_sub(self.permits.available_permits())
    }

    /// Takes the engine's word on how the coupon stands, unless it has said something later already: answers may
    /// overtake one another. More issued is later; its clock alone does not say so, because a reader may look at it
    /// while a batch that began earlier is being committed.
    pub(crate) fn record_standing(&self, standing: Standing) {
        let age = |standing: &Standing| (standing.inventory.issued(), standing.now);
        let new = Arc::new((standing, Instant::now()));
        self.seen.rcu(|seen| match seen {
            Some(known) if age(&known.0) > age(&standing) => Some(Arc::clone(known)),
            _ => Some(Arc::clone(&new)),
        });
    }

    /// As [`CouponHandle::record_standing`], and wakes the gate's keeper if the gate could turn members away by itself.
    pub(crate) fn note(&self, standing: Standing) {
        self.record_standing(standing);
        let ends =
            matches!(standing.state(), CouponState::Paused | CouponState::SoldOut | CouponState::Closed);
        if ends && self.gate.halted().is_none() {
            self.refresh_now();
        }
    }

    /// The largest sequence the engine is known to have issued.
    pub(crate) fn issued_seen(&self) -> Sequence {
        self.inventory_seen().map_or(0, Inventory::issued)
    }

    /// The stock as the engine last said, if it has said anything yet.
    pub(crate) fn inventory_seen(&self) -> Option<Inventory> {
        self.seen.load().as_deref().map(|(standing, _)| standing.inventory)
    }

    /// The engine's clock, as far as it can be told without asking.
    pub(crate) fn engine_now(&self) -> Option<Timestamp> {
        let (standing, age) = self.last_standing()?;
        Some(standing.now.plus_ms(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Opens the gate if the catalogue says that there are going to be more coupons than the engine knows of: then the
    /// engine alone may say that it is sold out.
    pub(crate) fn expect_more(&self) {
        let engine_total = self.inventory_seen().map_or(0, Inventory::total);
        if self.gate.halted() == Some(Rejection::SoldOut) && self.coupon().inventory.total() > engine_total {
            self.gate.set(GateView::Open);
        }
    }

    /// Closes the gate until the engine has been verified.
    pub(crate) fn fenced(&self) {
        self.gate.set(GateView::Recovering);
        self.refresh_now();
    }

    /// Whether the catalogue is behind the engine now, and was at the last look.
    pub(crate) fn is_behind_again(&self, behind: bool) -> bool {
        self.was_behind.swap(behind, Ordering::AcqRel) && behind
    }

    pub(crate) fn refresh_now(&self) {
        self.refresh_requested.store(true, Ordering::Release);
        self.signal.nudge();
    }

    /// Wants a look in the keeper's next regular round, in about 200 ms.
    pub fn refresh_next_round(&self) {
        self.refresh_requested.store(true, Ordering::Release);
    }

    pub(crate) fn take_refresh_request(&self) -> bool {
        self.refresh_requested.swap(false, Ordering::AcqRel)
    }
}
