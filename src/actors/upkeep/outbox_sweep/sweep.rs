//! One round through all outboxes: trims entries that the database holds, publishes overdue ones again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::progress::Progress;
use crate::actors::cluster::Lease;
use crate::actors::delivery::{PublisherInbox, publisher::PUBLISH_BATCH_MAX};
use crate::actors::issuing::CouponHandle;
use crate::actors::issuing::CouponRegistry;
use crate::actors::runtime::BackgroundTask as _;
use crate::actors::runtime::deadline::bounded;
use crate::domain::{CouponId, Sequence};
use crate::fault_injection::bugs;
use crate::fault_injection::panics;
use crate::ports::{EventBus, IssuanceStore, Outbox};
use crate::telemetry::Metrics;

const ROUND: Duration = Duration::from_secs(1);
/// Replaces [`ROUND`] while more overdue entries than one page remain.
const CATCH_UP_ROUND: Duration = Duration::from_millis(20);
/// Confirmed events count as lost after this time without a new row, if the queue is empty.
const LOST_AFTER: Duration = Duration::from_secs(20);
/// Bounds the doublings of [`LOST_AFTER`]: at most once in ten minutes.
const LOSSES_MAX: u32 = 5;
/// With this many messages in the queue nothing overdue is published again. A message has a hundred events or more.
const BACKLOG_MAX: u64 = 64;

#[derive(Clone)]
pub struct SweepDeps {
    pub registry: Arc<CouponRegistry>,
    pub outbox: Arc<dyn Outbox>,
    /// Gives the watermark up to which an outbox may be trimmed.
    pub store: Arc<dyn IssuanceStore>,
    pub bus: Arc<dyn EventBus>,
    pub publisher: PublisherInbox,
    pub metrics: Arc<Metrics>,
    pub lease: Lease,
}

/// The sweep's logic, without the actor around it.
pub(super) struct Sweep {
    deps: SweepDeps,
    coupons: HashMap<CouponId, Progress>,
}

impl Sweep {
    pub(super) fn new(deps: SweepDeps) -> Self {
        Self { deps, coupons: HashMap::new() }
    }

    /// One round through all outboxes; gives the pause until the next one.
    pub(super) async fn round(&mut self) -> Duration {
        panics::visit(SweepDeps::KIND, "round");
        let is_sweeper = self.deps.lease.is_held().await;
        let mut pause = ROUND;
        for handle in self.deps.registry.all() {
            let progress = self.coupons.entry(handle.id().clone()).or_insert_with(Progress::new);
            // Recorded without the lease too: a node that takes it over knows at once which entries are overdue.
            let overdue = progress.record_issued(Instant::now(), handle.last_issued());
            if is_sweeper && self.deps.sweep(&handle, progress, overdue).await {
                pause = CATCH_UP_ROUND;
            }
        }
        pause
    }

    /// Lets another node sweep at once.
    pub(super) async fn release_lease(&mut self) {
        self.deps.lease.release().await;
    }
}

impl SweepDeps {
    /// Sweeps one outbox; gives whether more overdue entries remain.
    async fn sweep(&self, handle: &Arc<CouponHandle>, progress: &mut Progress, overdue: Sequence) -> bool {
        let issued = handle.last_issued();
        if issued <= progress.watermark {
            progress.moved_at = Instant::now();
            return false;
        }
        let database_answers = self.trim(handle.id(), progress).await;
        if !database_answers {
            // No row can arrive during an outage of the database, so that time proves no loss.
            progress.moved_at = Instant::now();
        } else if progress.watermark < issued {
            self.detect_loss(handle.id(), progress).await;
        }
        self.republish_overdue(handle, progress.watermark, overdue).await
    }

    /// Drops entries that the database holds; gives whether the database answered.
    async fn trim(&self, coupon: &CouponId, progress: &mut Progress) -> bool {
        let watermark = if bugs::is(bugs::TRIM_ON_CONFIRM) {
            Ok(self.publisher.confirmed.last(coupon).unwrap_or(0).max(progress.watermark))
        } else {
            bounded(self.store.watermark(coupon, progress.watermark)).await
        };
        let Ok(watermark) = watermark else { return false };
        if watermark > progress.watermark && bounded(self.outbox.trim(coupon, watermark)).await.is_ok() {
            progress.watermark = watermark;
            progress.moved_at = Instant::now();
            progress.losses = 0;
            self.publisher.confirmed.forget_through(coupon, watermark);
        }
        true
    }

    /// A confirmed event is in the queue or in flight at a persister. If the queue is empty and yet no row arrives, its
    /// messages were lost (a purge, for instance): all of them are published again.
    async fn detect_loss(&self, coupon: &CouponId, progress: &mut Progress) {
        if progress.moved_at.elapsed() < LOST_AFTER * 2u32.pow(progress.losses) {
            return;
        }
        if let Ok(0) = bounded(self.bus.backlog()).await {
            let watermark = progress.watermark;
            tracing::warn!(%coupon, watermark, "the queue is empty but issuances are missing: publishing them again");
            self.publisher.confirmed.forget(coupon);
            progress.moved_at = Instant::now();
            progress.losses = (progress.losses + 1).min(LOSSES_MAX);
        }
    }

    /// Hands a page of overdue entries to the publisher; gives whether more may follow.
    async fn republish_overdue(
        &self,
        handle: &Arc<CouponHandle>,
        watermark: Sequence,
        overdue: Sequence,
    ) -> bool {
        let confirmed = &self.publisher.confirmed;
        let from = confirmed.through(handle.id(), watermark);
        if from >= overdue {
            return false;
        }
        // A publisher that is behind or cannot reach the broker still has the overdue events: more would not help it.
        if self.publisher.is_failing() || self.publisher.pending() >= PUBLISH_BATCH_MAX {
            return false;
        }
        // This node does not know the confirms of other nodes. With a backlog this long persisters are behind, and
        // publishing again would only make it longer.
        if !matches!(bounded(self.bus.backlog()).await, Ok(backlog) if backlog < BACKLOG_MAX) {
            return false;
        }
        let page = bounded(self.outbox.pending(handle.id(), from, PUBLISH_BATCH_MAX)).await;
        let Ok(page) = page else { return false };
        let is_full = page.len() == PUBLISH_BATCH_MAX;
        let is_overdue = |sequence| sequence <= overdue && !confirmed.contains(handle.id(), sequence);
        let page: Vec<_> = page.into_iter().filter(|entry| is_overdue(entry.grant.sequence)).collect();
        if !page.is_empty() {
            self.metrics.republished.inc_by(page.len() as u64);
            tracing::info!(coupon = %handle.id(), events = page.len(), "overdue events are published again");
            self.publisher.offer(handle.coupon(), page);
        }
        is_full
    }
}
