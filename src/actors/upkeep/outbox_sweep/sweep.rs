//! One round through all outboxes: what the database holds goes, what is overdue is offered again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::progress::Progress;
use crate::actors::cluster::Lease;
use crate::actors::delivery::{PublisherInbox, publisher::PUBLISH_BATCH_MAX};
use crate::actors::issuing::CouponHandle;
use crate::actors::issuing::CouponRegistry;
use crate::actors::runtime::BackgroundTask as _;
use crate::domain::{CouponId, Sequence};
use crate::fault_injection::bugs;
use crate::fault_injection::panics;
use crate::ports::{EventBus, IssuanceStore, Outbox};
use crate::telemetry::Metrics;

/// How often the outboxes are gone through when there is nothing to catch up with.
const ROUND: Duration = Duration::from_secs(1);
/// The same while there is.
const CATCH_UP_ROUND: Duration = Duration::from_millis(20);
/// How often it is looked after that.
const FOUND_ROUND: Duration = Duration::from_millis(100);
/// How long nothing may arrive in the database, though the queue is empty, before confirmed events count as lost.
const LOST_AFTER: Duration = Duration::from_secs(20);
/// The most doublings of that time: no more than once in ten minutes.
const LOSSES_MAX: u32 = 5;
/// Messages in the queue from which on nothing overdue is offered. Each may be a hundred events and more.
const BACKLOG_MAX: u64 = 64;
/// How long one question may take before the round goes on without it.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);

/// What a sweep works with.
#[derive(Clone)]
pub struct SweepDeps {
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
    pub right: Option<Lease>,
}

/// The sweep's logic, without the actor around it.
pub(super) struct Sweep {
    parts: SweepDeps,
    coupons: HashMap<CouponId, Progress>,
    /// Whether it has been round once.
    has_begun: bool,
}

/// What became of what is overdue in one outbox.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offered {
    /// It cannot be offered now.
    Nothing,
    /// There is more.
    Some,
    /// Nothing is overdue any more.
    All,
}

impl Sweep {
    /// A sweep that has seen nothing yet.
    pub(super) fn new(parts: SweepDeps) -> Self {
        Self { parts, coupons: HashMap::new(), has_begun: false }
    }

    /// Once through all outboxes; gives how long to rest.
    pub(super) async fn round(&mut self) -> Duration {
        panics::visit(SweepDeps::KIND, "round");
        let sweeps_for_all = match &mut self.parts.right {
            Some(right) => right.is_held().await,
            None => true,
        };
        let mut rest = ROUND;
        for handle in self.parts.registry.all() {
            let progress = self.coupons.entry(handle.id().clone()).or_insert_with(Progress::new);
            // Also noted by who does not sweep now: should the one that does die, it is known what is overdue.
            let (now, issued) = (Instant::now(), handle.last_issued());
            if !self.has_begun {
                progress.found(now, issued);
            }
            let overdue = progress.overdue(now, issued);
            if !sweeps_for_all && !progress.has_found() {
                continue;
            }
            if self.parts.sweep(&handle, progress, overdue).await == Offered::Some {
                rest = CATCH_UP_ROUND;
            } else if progress.has_found() {
                rest = rest.min(FOUND_ROUND);
            }
        }
        self.has_begun = true;
        rest
    }

    /// Lets another node sweep at once.
    pub(super) async fn stand_down(&mut self) {
        if let Some(right) = &mut self.parts.right {
            right.give_back().await;
        }
    }
}

impl SweepDeps {
    async fn sweep(&self, handle: &Arc<CouponHandle>, progress: &mut Progress, overdue: Sequence) -> Offered {
        let issued = handle.last_issued();
        if issued <= progress.watermark {
            progress.moved = Instant::now();
            progress.found_is_done(progress.moved, true);
            return Offered::All;
        }
        let database_answers = self.trim(handle.id(), progress).await;
        if !database_answers {
            // What does not arrive while the database is away is not lost for that.
            progress.moved = Instant::now();
        } else if progress.watermark < issued {
            self.look_for_losses(handle.id(), progress).await;
        }
        let offered = self.offer_overdue(handle, progress.watermark, overdue).await;
        let is_old_enough = overdue > 0;
        progress.found_is_done(Instant::now(), is_old_enough && offered == Offered::All);
        offered
    }

    /// Drops what the database holds; whether the database answered.
    async fn trim(&self, coupon: &CouponId, progress: &mut Progress) -> bool {
        let asked = if bugs::is(bugs::TRIM_ON_CONFIRM) {
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
    ) -> Offered {
        let confirmed = &self.publisher.confirmed;
        let from = confirmed.through(handle.id(), watermark);
        // A publisher that is behind or cannot reach the broker still has at hand what is overdue: more would not help it.
        if from >= overdue {
            return Offered::All;
        }
        if self.publisher.is_failing() || self.publisher.pending() >= PUBLISH_BATCH_MAX {
            return Offered::Nothing;
        }
        // What other nodes have published is not known here. As long as so many messages wait in the queue, persisters are
        // behind, and publishing more would only make it longer.
        let backlog = timeout(QUESTION_TIMEOUT, self.bus.backlog()).await;
        if !matches!(backlog, Ok(Ok(waiting)) if waiting < BACKLOG_MAX) {
            return Offered::Nothing;
        }
        let Ok(Ok(page)) =
            timeout(QUESTION_TIMEOUT, self.outbox.pending(handle.id(), from, PUBLISH_BATCH_MAX)).await
        else {
            return Offered::Nothing;
        };
        let is_full = page.len() == PUBLISH_BATCH_MAX;
        let open = |sequence| sequence <= overdue && !confirmed.contains(handle.id(), sequence);
        let page: Vec<_> = page.into_iter().filter(|entry| open(entry.grant.sequence)).collect();
        if !page.is_empty() {
            self.metrics.republished.inc_by(page.len() as u64);
            tracing::info!(coupon = %handle.id(), events = page.len(), "overdue events are published again");
            self.publisher.offer(handle.coupon(), page);
        }
        if is_full { Offered::Some } else { Offered::All }
    }
}
