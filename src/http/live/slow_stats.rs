//! Counts that take a call to a broker or a database. They are polled every few seconds beside the snapshots, so that a
//! slow or broken service does not delay a snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::gather::LiveSources;
use crate::domain::CouponId;
use crate::ports::ConflictFilter;
use crate::sync::Locked;

const POLL_INTERVAL: Duration = Duration::from_secs(3);
/// Age up to which counts are shown.
const FRESH_FOR: Duration = Duration::from_secs(12);
/// Upper bound of the counts of conflicts and lost numbers.
const COUNT_MAX: u32 = 1_000;

/// The counts; a count is absent if its service did not answer.
#[derive(Debug, Clone, Default)]
pub(super) struct SlowStats {
    pub(super) outbox: HashMap<CouponId, u64>,
    pub(super) queue: Option<u64>,
    pub(super) dead_letters: Option<u64>,
    pub(super) conflicts: Option<usize>,
    pub(super) lost: Option<usize>,
}

/// Polls the counts and keeps the last ones.
pub(super) struct SlowStatsPoller {
    sources: LiveSources,
    last: Arc<Locked<Option<(Instant, SlowStats)>>>,
    poll: Option<tokio::task::JoinHandle<()>>,
    polled_at: Option<Instant>,
}

impl SlowStatsPoller {
    pub(super) fn new(sources: LiveSources) -> Self {
        Self { sources, last: Arc::default(), poll: None, polled_at: None }
    }

    /// The last counts if they are fresh. Starts the next poll if it is due and none is running. A poll is never
    /// cancelled, because a call that is cut off may cost its connection.
    pub(super) fn latest(&mut self, coupons: impl FnOnce() -> Vec<CouponId>) -> SlowStats {
        let is_polling = self.poll.as_ref().is_some_and(|poll| !poll.is_finished());
        if !is_polling && self.polled_at.is_none_or(|at| at.elapsed() >= POLL_INTERVAL) {
            self.polled_at = Some(Instant::now());
            let sources = self.sources.clone();
            let last = Arc::clone(&self.last);
            let coupons = coupons();
            self.poll = Some(tokio::spawn(async move {
                let stats = sources.poll(&coupons).await;
                *last.lock() = Some((Instant::now(), stats));
            }));
        }
        match &*self.last.lock() {
            Some((at, stats)) if at.elapsed() < FRESH_FOR => stats.clone(),
            _ => SlowStats::default(),
        }
    }
}

impl LiveSources {
    async fn poll(&self, coupons: &[CouponId]) -> SlowStats {
        let (outbox, (queue, dead_letters), conflicts, lost) =
            tokio::join!(self.outbox(coupons), self.queues(), self.conflicts(), self.lost());
        SlowStats { outbox, queue, dead_letters, conflicts, lost }
    }

    async fn outbox(&self, coupons: &[CouponId]) -> HashMap<CouponId, u64> {
        let mut depths = HashMap::new();
        let Some(outbox) = &self.outbox else { return depths };
        for coupon in coupons {
            match outbox.depth(coupon).await {
                Ok(depth) => drop(depths.insert(coupon.clone(), depth)),
                Err(error) => tracing::debug!(%coupon, %error, "the depth of an outbox could not be read"),
            }
        }
        depths
    }

    /// The messages in the queue, and the dead letters.
    async fn queues(&self) -> (Option<u64>, Option<u64>) {
        let Some(queues) = &self.queues else { return (None, None) };
        match queues.queues().await {
            Ok(depths) => (Some(depths.waiting), Some(depths.dead)),
            Err(error) => {
                tracing::debug!(%error, "the depths of the queues could not be read");
                (None, None)
            }
        }
    }

    async fn conflicts(&self) -> Option<usize> {
        let which = ConflictFilter { coupon: None, are_settled: false, after: 0, limit: COUNT_MAX };
        self.quarantine.conflicts(&which).await.ok().map(|found| found.len())
    }

    async fn lost(&self) -> Option<usize> {
        match &self.lost {
            Some(lost) => lost.list(COUNT_MAX).await.ok().map(|found| found.len()),
            None => Some(0),
        }
    }
}
