//! One coupon on this node, as HTTP workers share it: its terms, gate and latest standing, and the address of its actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::Recipient;
use actix::prelude::SendError;
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout_at;

use super::answer::{Answer, IssueError, Issued};
use super::batch::{IssueCoupon, QueuedRequest, Reply};
use super::wake_signal::WakeSignal;
use crate::clock;
use crate::domain::{
    Coupon, CouponId, CouponState, Grant, Inventory, IssuedCoupon, MemberId, Rejection, Sequence, Standing,
    Timestamp, Traceparent, Verdict,
};
use crate::gate::{Gate, GateView, Passage, Trust};

/// Pause before a request of a panicked batch is sent again, which bounds the load of a batch that always panics.
const RESEND_PAUSE: Duration = Duration::from_millis(10);
/// Age up to which a standing is shown without asking the engine.
const STANDING_FRESH_FOR: Duration = Duration::from_millis(100);

/// One coupon on this node; shared by HTTP workers, its actor and the gate keeper.
pub struct CouponHandle {
    id: CouponId,
    coupon: ArcSwap<Coupon>,
    gate: Gate,
    /// One permit for each request in the queue or with the engine, so that shedding is exact.
    permits: Arc<Semaphore>,
    /// One permit for each request with an ack level above `granted`, held from before the decision until the answer.
    ack_permits: Arc<Semaphore>,
    /// Address of the current incarnation; absent until the first one has started.
    address: ArcSwapOption<Recipient<IssueCoupon>>,
    /// Whether the supervisor has given the actor up, so that no replacement comes until an operator restarts it.
    abandoned: AtomicBool,
    /// Wakes requests that wait for a replacement.
    actor_changed: Notify,
    /// Latest standing that the engine reported, and the time of its arrival.
    standing: ArcSwapOption<(Standing, Instant)>,
    /// Asks the gate keeper to read this coupon's standing in its next round.
    refresh_requested: AtomicBool,
    /// Whether the catalogue's lifecycle was behind the engine's in the previous round.
    was_lagging: AtomicBool,
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
            actor_changed: Notify::new(),
            standing: ArcSwapOption::empty(),
            refresh_requested: AtomicBool::new(true),
            was_lagging: AtomicBool::new(false),
            signal,
        }
    }

    #[must_use]
    pub fn id(&self) -> &CouponId {
        &self.id
    }

    /// The coupon as last read from the catalogue.
    #[must_use]
    pub fn coupon(&self) -> Arc<Coupon> {
        self.coupon.load_full()
    }

    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The latest standing, if it is young enough to be shown without asking the engine.
    #[must_use]
    pub fn fresh_standing(&self) -> Option<Standing> {
        let (standing, age) = self.last_standing()?;
        (age < STANDING_FRESH_FOR).then_some(standing)
    }

    /// The latest standing and its age: at most two seconds, while the engine answers.
    #[must_use]
    pub fn last_standing(&self) -> Option<(Standing, Duration)> {
        self.standing.load().as_deref().map(|(standing, at)| (*standing, at.elapsed()))
    }

    /// Issues the coupon to `member`, or says why it does not, by `deadline`. Safe to repeat.
    ///
    /// # Errors
    /// [`IssueError`]; none of them is a rejection.
    pub async fn issue(
        &self,
        member: &MemberId,
        traceparent: Option<&Traceparent>,
        deadline: Instant,
    ) -> Result<Answer, IssueError> {
        match self.gate.judge(member, clock::now()) {
            Passage::Reject(rejection) => return Ok(self.rejected(rejection)),
            Passage::Recovering => return Err(IssueError::Recovering),
            Passage::Ask => {}
        }
        let verdict = self.await_verdict(member, traceparent, deadline).await?;
        Ok(match verdict {
            Verdict::Issued(grant) => self.issued(member, grant, false),
            Verdict::Again(grant) => self.issued(member, grant, true),
            Verdict::Rejected(rejection) => self.rejected(rejection),
        })
    }

    /// Sends the request to the actor. If the actor dies before it answers, sends the request to its replacement:
    /// admission is idempotent.
    async fn await_verdict(
        &self,
        member: &MemberId,
        traceparent: Option<&Traceparent>,
        deadline: Instant,
    ) -> Result<Verdict, IssueError> {
        let mut was_sent = false;
        while Instant::now() < deadline {
            // Taken before the address is read, so that no change after that is missed.
            let actor_changed = self.actor_changed.notified();
            if let Some(answer) = self.send(member, traceparent, deadline)? {
                was_sent = true;
                match timeout_at(deadline.into(), answer).await {
                    Ok(Ok(reply)) => return reply,
                    Ok(Err(_batch_panicked)) if self.is_alive() => {
                        tokio::time::sleep(RESEND_PAUSE).await;
                        continue;
                    }
                    Ok(Err(_actor_died)) => {}
                    Err(_elapsed) => return Err(IssueError::Unknown),
                }
            }
            if self.abandoned.load(Ordering::Acquire) {
                break;
            }
            if timeout_at(deadline.into(), actor_changed).await.is_err() {
                break;
            }
        }
        // An actor that died may have admitted the request. A request that no actor received has issued nothing.
        Err(if was_sent { IssueError::Unknown } else { IssueError::Recovering })
    }

    /// Sends the request to the actor's mailbox; `None` if there is no actor at the moment.
    fn send(
        &self,
        member: &MemberId,
        traceparent: Option<&Traceparent>,
        deadline: Instant,
    ) -> Result<Option<oneshot::Receiver<Reply>>, IssueError> {
        let address = self.address.load();
        let Some(address) = address.as_deref() else { return Ok(None) };
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| IssueError::Overloaded)?;
        let (reply, answer) = oneshot::channel();
        let request = QueuedRequest {
            member: member.clone(),
            traceparent: traceparent.cloned(),
            reply,
            deadline,
            permit,
        };
        match address.try_send(IssueCoupon(request)) {
            Ok(()) => Ok(Some(answer)),
            // A mailbox has room for every request with a permit, except that of an actor which has not started yet.
            Err(SendError::Full(_) | SendError::Closed(_)) => Ok(None),
        }
    }

    /// Permits a request to wait for an ack level above `granted`. The queue's limit bounds these permits too.
    pub(crate) fn ack_permit(&self) -> Result<OwnedSemaphorePermit, IssueError> {
        Arc::clone(&self.ack_permits).try_acquire_owned().map_err(|_| IssueError::Overloaded)
    }

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
        self.actor_changed.notify_waiters();
    }

    /// Lets waiting requests try again, because the mailbox has its full size now.
    pub(super) fn actor_started(&self) {
        self.actor_changed.notify_waiters();
    }

    /// Requests fail at once from now on, until [`CouponHandle::set_address`]: no replacement is to come by itself.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.actor_changed.notify_waiters();
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.address.load().as_deref().is_some_and(Recipient::connected)
    }

    /// The number of requests that hold one of the `queue_limit` permits.
    pub(crate) fn waiting(&self, queue_limit: usize) -> usize {
        queue_limit.saturating_sub(self.permits.available_permits())
    }

    /// Keeps `standing` unless a later one is known: the engine's answers may overtake one another. The later standing is
    /// the one with more issued. The engine's clock only breaks ties, because it may be read while a batch that began
    /// earlier is being committed.
    pub(crate) fn record_standing(&self, standing: Standing) {
        let order = |standing: &Standing| (standing.inventory.issued(), standing.now);
        let new = Arc::new((standing, Instant::now()));
        self.standing.rcu(|known| match known {
            Some(known) if order(&known.0) > order(&standing) => Some(Arc::clone(known)),
            _ => Some(Arc::clone(&new)),
        });
    }

    /// Records the standing after a batch, and wakes the gate keeper if the gate could reject members by itself.
    pub(crate) fn record_decision(&self, standing: Standing) {
        self.record_standing(standing);
        let ends =
            matches!(standing.state(), CouponState::Paused | CouponState::SoldOut | CouponState::Closed);
        if ends && self.gate.halted().is_none() {
            self.refresh_now();
        }
    }

    /// The largest sequence that the engine is known to have issued.
    pub(crate) fn last_issued(&self) -> Sequence {
        self.last_inventory().map_or(0, Inventory::issued)
    }

    /// The inventory of the latest standing.
    pub(crate) fn last_inventory(&self) -> Option<Inventory> {
        self.standing.load().as_deref().map(|(standing, _)| standing.inventory)
    }

    /// The engine's clock, estimated from the latest standing and its age.
    pub(crate) fn engine_now(&self) -> Option<Timestamp> {
        let (standing, age) = self.last_standing()?;
        Some(standing.now.plus_ms(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Opens a sold-out gate if the catalogue's total is above the engine's: the engine is about to get the new total, and
    /// from now on only the engine may answer "sold out".
    pub(crate) fn open_for_raised_total(&self) {
        let engine_total = self.last_inventory().map_or(0, Inventory::total);
        if self.gate.halted() == Some(Rejection::SoldOut) && self.coupon().inventory.total() > engine_total {
            self.gate.set(GateView::Open);
        }
    }

    /// Closes the gate until the engine's state has been verified.
    pub(crate) fn require_recovery(&self) {
        self.gate.set(GateView::Recovering);
        self.refresh_now();
    }

    /// Whether the catalogue's lifecycle is behind the engine's now and was in the previous round.
    pub(crate) fn is_still_lagging(&self, lagging: bool) -> bool {
        self.was_lagging.swap(lagging, Ordering::AcqRel) && lagging
    }

    pub(crate) fn refresh_now(&self) {
        self.refresh_requested.store(true, Ordering::Release);
        self.signal.wake();
    }

    /// Requests a refresh in the gate keeper's next regular round, in about 200 ms.
    pub fn refresh_next_round(&self) {
        self.refresh_requested.store(true, Ordering::Release);
    }

    pub(crate) fn take_refresh_request(&self) -> bool {
        self.refresh_requested.swap(false, Ordering::AcqRel)
    }
}
