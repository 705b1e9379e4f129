//! OutboxActor: trims each coupon's outbox up to what the database holds, and offers again what has been in it for too
//! long. One node at a time does so, for all.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::time::timeout;

use super::contain::Contained;
use super::fail_point;
use super::handle::CouponHandle;
use super::publisher::{PublisherInbox, WINDOW};
use super::registry::CouponRegistry;
use super::right::Right;
use super::supervisor::{Child, DeathNote, Leave};
use crate::domain::{CouponId, Sequence};
use crate::ports::{EventBus, IssuanceStore, Outbox};
use crate::sabotage::planted;
use crate::telemetry::Metrics;

/// The actor's kind in metrics and lists.
const KIND: &str = "outbox";
/// How often the outboxes are gone through when there is nothing to catch up with.
const ROUND: Duration = Duration::from_secs(1);
/// The same while there is.
const CATCH_UP_ROUND: Duration = Duration::from_millis(20);
/// How long an entry may be in the outbox before it is offered again.
const OVERDUE_AFTER: Duration = Duration::from_secs(3);
/// How long nothing may arrive in the database, though the queue is empty, before confirmed events count as lost.
const LOST_AFTER: Duration = Duration::from_secs(20);
/// The most doublings of that time: no more than once in ten minutes.
const LOSSES_MAX: u32 = 5;
/// How long one question may take before the round goes on without it.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of one coupon's outbox.
struct Progress {
    /// The database holds every sequence up to this.
    watermark: Sequence,
    /// When the watermark last moved.
    moved: Instant,
    /// How often in a row everything was taken for lost; each time it takes twice as long until the next.
    losses: u32,
    /// What had been issued when; tells the age of an entry without comparing clocks of different machines.
    seen: VecDeque<(Instant, Sequence)>,
}

impl Progress {
    fn new() -> Self {
        Self { watermark: 0, moved: Instant::now(), losses: 0, seen: VecDeque::new() }
    }

    /// Notes what is issued now; gives the largest sequence that is overdue.
    fn overdue(&mut self, now: Instant, issued: Sequence) -> Sequence {
        if self.seen.back().is_none_or(|(_, last)| *last != issued) {
            self.seen.push_back((now, issued));
        }
        let is_old = |(at, _): &(Instant, Sequence)| now.duration_since(*at) >= OVERDUE_AFTER;
        while self.seen.len() > 1 && self.seen.get(1).is_some_and(is_old) {
            self.seen.pop_front();
        }
        self.seen.front().filter(|seen| is_old(seen)).map_or(0, |(_, sequence)| *sequence)
    }
}

/// What a sweep works with.
#[derive(Clone)]
pub struct SweepParts {
    /// Whose outboxes are swept.
    pub registry: Arc<CouponRegistry>,
    /// What is swept.
    pub outbox: Arc<dyn Outbox>,
    /// What decides how far it may be trimmed.
    pub store: Arc<dyn IssuanceStore>,
    /// Asked how much is still on its way.
    pub bus: Arc<dyn EventBus>,
    /// Who is offered what is overdue.
    pub publisher: PublisherInbox,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether this node is the one that sweeps; none if there are no others.
    pub right: Option<Right>,
}

/// The sweep's logic, without the actor around it.
struct Sweep {
    parts: SweepParts,
    coupons: HashMap<CouponId, Progress>,
}

impl Sweep {
    /// Once through all outboxes; whether there is more to catch up with.
    async fn round(&mut self) -> bool {
        fail_point::visit(KIND, "round");
        if let Some(right) = &mut self.parts.right
            && !right.is_held().await
        {
            return false;
        }
        let mut more = false;
        for handle in self.parts.registry.all() {
            let progress = self.coupons.entry(handle.id().clone()).or_insert_with(Progress::new);
            more |= self.parts.sweep(&handle, progress).await;
        }
        more
    }
}

impl SweepParts {
    async fn sweep(&self, handle: &Arc<CouponHandle>, progress: &mut Progress) -> bool {
        let issued = handle.issued_seen();
        let overdue = progress.overdue(Instant::now(), issued);
        let depth = |progress: &Progress| u64::from(issued.saturating_sub(progress.watermark));
        self.metrics.outbox_seen(handle.id().as_str(), depth(progress));
        if issued <= progress.watermark {
            progress.moved = Instant::now();
            return false;
        }
        let database_answers = self.trim(handle.id(), progress).await;
        self.metrics.outbox_seen(handle.id().as_str(), depth(progress));
        if !database_answers {
            // What does not arrive while the database is away is not lost for that.
            progress.moved = Instant::now();
        } else if progress.watermark < issued {
            self.look_for_losses(handle.id(), progress).await;
        }
        self.offer_overdue(handle, progress.watermark, overdue).await
    }

    /// Drops what the database holds; whether the database answered.
    async fn trim(&self, coupon: &CouponId, progress: &mut Progress) -> bool {
        let asked = if planted::is(planted::TRIM_ON_CONFIRM) {
            Ok(Ok(self.publisher.confirmed.last(coupon).unwrap_or(0).max(progress.watermark)))
        } else {
            timeout(QUESTION_TIMEOUT, self.store.watermark(coupon, progress.watermark)).await
        };
        let Ok(Ok(watermark)) = asked else { return false };
        if watermark > progress.watermark {
            let Ok(Ok(())) = timeout(QUESTION_TIMEOUT, self.outbox.trim(coupon, watermark)).await else {
                return true;
            };
            progress.watermark = watermark;
            progress.moved = Instant::now();
            progress.losses = 0;
            self.publisher.confirmed.forget_through(coupon, watermark);
        }
        true
    }

    /// What the broker confirmed is in its queue or in the hands of a persister. If the queue stays empty and yet nothing
    /// arrives, somebody has emptied it: then everything is offered again.
    async fn look_for_losses(&self, coupon: &CouponId, progress: &mut Progress) {
        if progress.moved.elapsed() < LOST_AFTER * 2u32.pow(progress.losses) {
            return;
        }
        if let Ok(Ok(0)) = timeout(QUESTION_TIMEOUT, self.bus.backlog()).await {
            let watermark = progress.watermark;
            tracing::warn!(%coupon, watermark, "the queue is empty but issuances are missing: publishing them again");
            self.publisher.confirmed.forget(coupon);
            progress.moved = Instant::now();
            progress.losses = (progress.losses + 1).min(LOSSES_MAX);
        }
    }

    async fn offer_overdue(
        &self,
        handle: &Arc<CouponHandle>,
        watermark: Sequence,
        overdue: Sequence,
    ) -> bool {
        let confirmed = &self.publisher.confirmed;
        let from = confirmed.through(handle.id(), watermark);
        // A publisher that is behind or cannot reach the broker still has at hand what is overdue: more would not help it.
        if from >= overdue || self.publisher.is_failing() || self.publisher.at_hand() >= WINDOW {
            return false;
        }
        // What other nodes have published is not known here. As long as a window of messages waits in the queue, persisters
        // are behind, and publishing more would only make it longer.
        let backlog = timeout(QUESTION_TIMEOUT, self.bus.backlog()).await;
        if !matches!(backlog, Ok(Ok(waiting)) if waiting < WINDOW as u64) {
            return false;
        }
        let Ok(Ok(page)) = timeout(QUESTION_TIMEOUT, self.outbox.pending(handle.id(), from, WINDOW)).await
        else {
            return false;
        };
        let is_full = page.len() == WINDOW;
        let open = |sequence| sequence <= overdue && !confirmed.contains(handle.id(), sequence);
        let page: Vec<_> = page.into_iter().filter(|entry| open(entry.grant.sequence)).collect();
        if !page.is_empty() {
            self.metrics.republished.inc_by(page.len() as u64);
            tracing::info!(coupon = %handle.id(), events = page.len(), "overdue events are published again");
            self.publisher.offer(handle, page);
        }
        is_full
    }
}

/// The shell around the sweep.
pub struct OutboxActor {
    sweep: Option<(Sweep, Leave)>,
    note: DeathNote,
}

impl OutboxActor {
    /// What the supervisor needs to keep a sweep alive on `arbiter`; it ends when `stopping` becomes true.
    #[must_use]
    pub fn child(parts: SweepParts, stopping: watch::Sender<bool>, arbiter: ArbiterHandle) -> impl Child {
        OutboxChild { parts, stopping, arbiter, address: ArcSwapOption::empty() }
    }
}

impl Contained for OutboxActor {
    fn failed(&mut self, why: String) {
        self.note.because(why);
    }
}

impl Actor for OutboxActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some((mut sweep, mut leave)) = self.sweep.take() else { return ctx.stop() };
        self.run_contained(ctx, async move {
            while !leave.is_due() {
                let more = sweep.round().await;
                let rest = if more { CATCH_UP_ROUND } else { ROUND };
                let _rested_or_leaving = timeout(rest, leave.due()).await;
            }
            if let Some(mut right) = sweep.parts.right {
                right.give_back().await;
            }
        });
    }
}

struct OutboxChild {
    parts: SweepParts,
    stopping: watch::Sender<bool>,
    arbiter: ArbiterHandle,
    address: ArcSwapOption<Addr<OutboxActor>>,
}

impl Child for OutboxChild {
    fn name(&self) -> String {
        KIND.to_owned()
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn start(&self, note: DeathNote) {
        let leave = Leave::of(&self.stopping, &note);
        let sweep = (Sweep { parts: self.parts.clone(), coupons: HashMap::new() }, leave);
        let address =
            OutboxActor::start_in_arbiter(&self.arbiter, move |_| OutboxActor { sweep: Some(sweep), note });
        self.address.store(Some(Arc::new(address)));
    }

    fn is_alive(&self) -> bool {
        self.address.load().as_deref().is_some_and(Addr::connected)
    }

    fn waiting(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, OVERDUE_AFTER, Progress};

    #[test]
    fn an_entry_is_overdue_when_it_was_seen_long_enough_ago() {
        let (mut progress, begin) = (Progress::new(), Instant::now());
        assert_eq!(progress.overdue(begin, 5), 0);
        assert_eq!(progress.overdue(begin + Duration::from_secs(1), 9), 0);
        assert_eq!(progress.overdue(begin + OVERDUE_AFTER, 9), 5);
        assert_eq!(progress.overdue(begin + OVERDUE_AFTER + Duration::from_secs(1), 9), 9);
        assert!(progress.seen.len() <= 2, "what is settled is forgotten");
    }
}
