//! What takes a question to a broker or a database: asked every few seconds beside the snapshots, so that one that is
//! slow or away never holds them up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join;
use tokio::time::Instant;

use crate::domain::CouponId;
use crate::ports::{LostNumbers, Outbox, Quarantine, QueueWatch, WhichConflicts};

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(3);
/// How old an answer may be to be shown.
const FRESH_FOR: Duration = Duration::from_secs(12);
/// How far contradictions and losses are counted.
const COUNT_MAX: u32 = 1_000;

/// Whom to ask.
#[derive(Clone)]
pub(super) struct GlanceSources {
    pub(super) outbox: Option<Arc<dyn Outbox>>,
    pub(super) queues: Option<Arc<dyn QueueWatch>>,
    pub(super) quarantine: Arc<dyn Quarantine>,
    pub(super) lost: Option<Arc<dyn LostNumbers>>,
}

/// What was answered; absent is what was not.
#[derive(Debug, Clone, Default)]
pub(super) struct Glance {
    pub(super) outbox: HashMap<CouponId, u64>,
    pub(super) queue: Option<u64>,
    pub(super) dead_letters: Option<u64>,
    pub(super) conflicts: Option<usize>,
    pub(super) lost: Option<usize>,
}

/// The last answers, and the asking for the next.
pub(super) struct Glances {
    sources: GlanceSources,
    last: Arc<Mutex<Option<(Instant, Glance)>>>,
    asking: Option<tokio::task::JoinHandle<()>>,
    asked_at: Option<Instant>,
}

impl Glances {
    pub(super) fn new(sources: GlanceSources) -> Self {
        Self { sources, last: Arc::default(), asking: None, asked_at: None }
    }

    /// The last answers if they are fresh. Begins to ask for the next if it is time and nobody is being asked; the task
    /// is never cancelled, for a question that is cut off may cost its connection.
    pub(super) fn latest(&mut self, coupons: impl FnOnce() -> Vec<CouponId>) -> Glance {
        let is_asking = self.asking.as_ref().is_some_and(|asking| !asking.is_finished());
        if !is_asking && self.asked_at.is_none_or(|at| at.elapsed() >= EVERY) {
            self.asked_at = Some(Instant::now());
            let (sources, last, coupons) = (self.sources.clone(), Arc::clone(&self.last), coupons());
            self.asking = Some(tokio::spawn(async move {
                let glance = sources.ask(&coupons).await;
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), glance));
            }));
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, glance)) if at.elapsed() < FRESH_FOR => glance.clone(),
            _ => Glance::default(),
        }
    }
}

impl GlanceSources {
    async fn ask(&self, coupons: &[CouponId]) -> Glance {
        let ((outbox, queue), (conflicts, lost)) =
            join(join(self.outbox(coupons), self.queues()), join(self.conflicts(), self.lost())).await;
        Glance { outbox, queue: queue.0, dead_letters: queue.1, conflicts, lost }
    }

    async fn outbox(&self, coupons: &[CouponId]) -> HashMap<CouponId, u64> {
        let mut depths = HashMap::new();
        let Some(outbox) = &self.outbox else { return depths };
        for coupon in coupons {
            match outbox.depth(coupon).await {
                Ok(depth) => drop(depths.insert(coupon.clone(), depth)),
                Err(error) => tracing::debug!(%coupon, %error, "an outbox could not be measured"),
            }
        }
        depths
    }

    /// How many messages wait, and how many letters are dead.
    async fn queues(&self) -> (Option<u64>, Option<u64>) {
        let Some(queues) = &self.queues else { return (None, None) };
        match queues.queues().await {
            Ok(seen) => (Some(seen.waiting), Some(seen.dead)),
            Err(error) => {
                tracing::debug!(%error, "the queues could not be measured");
                (None, None)
            }
        }
    }

    async fn conflicts(&self) -> Option<usize> {
        let which = WhichConflicts { coupon: None, are_settled: false, after: 0, limit: COUNT_MAX };
        self.quarantine.conflicts(&which).await.ok().map(|found| found.len())
    }

    async fn lost(&self) -> Option<usize> {
        match &self.lost {
            Some(lost) => lost.list(COUNT_MAX).await.ok().map(|found| found.len()),
            None => Some(0),
        }
    }
}
