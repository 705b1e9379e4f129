//! Builds snapshots from the memory of this node, without calls to the engine.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::bodies::{CouponLine, Pipeline, Snapshot, TroubleLine};
use super::rates::Rates;
use super::slow_stats::{SlowStats, SlowStatsPoller};
use crate::actors::issuing::{CouponHandle, CouponRegistry};
use crate::actors::runtime::ActorAdmin;
use crate::clock;
use crate::domain::{CouponId, CouponState};
use crate::http::actor_body::ActorBody;
use crate::ports::{LostNumbers, Outbox, Quarantine, QueueWatch};
use crate::telemetry::{LogLine, recent_log_lines};

const COUPONS_MAX: usize = 200;

/// Age up to which a standing counts for the rate of issuing.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// The sources of snapshots. `outbox`, `queues` and `lost` are absent on an engine that writes into the database itself.
#[derive(Clone)]
pub struct LiveSources {
    pub registry: Arc<CouponRegistry>,
    pub actors: ActorAdmin,
    /// The name of the engine.
    pub engine: &'static str,
    pub serves_api: bool,
    pub outbox: Option<Arc<dyn Outbox>>,
    pub queues: Option<Arc<dyn QueueWatch>>,
    pub lost: Option<Arc<dyn LostNumbers>>,
    pub quarantine: Arc<dyn Quarantine>,
}

/// Builds one snapshot after another.
pub(super) struct SnapshotBuilder {
    sources: LiveSources,
    slow_stats: SlowStatsPoller,
    rates: Rates,
}

impl SnapshotBuilder {
    pub(super) fn new(sources: LiveSources) -> Self {
        Self { slow_stats: SlowStatsPoller::new(sources.clone()), sources, rates: Rates::default() }
    }

    /// Forgets the rates, which are outdated after a time without listeners.
    pub(super) fn reset(&mut self) {
        self.rates = Rates::default();
    }

    pub(super) async fn snapshot(&mut self) -> Snapshot {
        let (shown, left_out) = select_shown(self.sources.registry.all());
        let ids = || shown.iter().map(|handle| handle.id().clone()).collect();
        let stats = self.slow_stats.latest(ids);
        let coupons: Vec<CouponLine> = shown.iter().map(|handle| self.line(handle, &stats)).collect();
        let shown_ids: HashSet<&CouponId> = shown.iter().map(|handle| handle.id()).collect();
        self.rates.retain(|id| shown_ids.contains(id));
        let actors = self.sources.actors.list().await.ok();
        Snapshot {
            at: clock::now(),
            version: env!("CARGO_PKG_VERSION"),
            engine: self.sources.engine,
            serves_api: self.sources.serves_api,
            waiting: self.sources.registry.waiting(),
            pipeline: self.pipeline(&coupons, &stats),
            coupons,
            coupons_left_out: left_out,
            actors: actors.map(|actors| actors.into_iter().map(ActorBody::from).collect()),
            conflicts: stats.conflicts,
            lost: stats.lost,
            troubles: recent_log_lines().into_iter().map(TroubleLine::from).collect(),
        }
    }

    fn line(&mut self, handle: &CouponHandle, stats: &SlowStats) -> CouponLine {
        // Other nodes issue the coupon too: the gate keeper refreshes its standing before the next snapshot.
        handle.refresh_next_round();
        let coupon = handle.coupon();
        let last = handle.last_standing();
        let is_known = last.is_some() && !handle.gate().is_recovering();
        let is_fresh = last.is_some_and(|(_, age)| age < FRESH_FOR);
        let standing = last.map_or_else(|| coupon.standing(coupon.created_at), |(standing, _)| standing);
        let inventory = standing.inventory;
        let per_s = self.rates.record(&coupon.id, standing.now, inventory.issued());
        CouponLine {
            id: coupon.id.to_string(),
            name: coupon.terms.name().to_owned(),
            state: if is_known { standing.state().as_str() } else { "recovering" },
            lifecycle: standing.lifecycle.as_str(),
            total: inventory.total(),
            issued: inventory.issued(),
            remaining: inventory.remaining(),
            issued_per_s: is_fresh.then_some(per_s),
            outbox: stats.outbox.get(&coupon.id).copied(),
            opens_at: standing.window.opens_at(),
            closes_at: standing.window.closes_at(),
        }
    }

    fn pipeline(&self, coupons: &[CouponLine], stats: &SlowStats) -> Option<Pipeline> {
        self.sources.queues.as_ref()?;
        let depths: Vec<u64> = coupons.iter().filter_map(|coupon| coupon.outbox).collect();
        Some(Pipeline {
            outbox: (depths.len() == coupons.len()).then(|| depths.iter().sum()),
            queue: stats.queue,
            dead_letters: stats.dead_letters,
        })
    }
}

/// The coupons to show and the number of those left out. Coupons that can still issue come first, then by id.
fn select_shown(mut all: Vec<Arc<CouponHandle>>) -> (Vec<Arc<CouponHandle>>, usize) {
    all.sort_by_cached_key(|handle| (is_done(handle), handle.id().clone()));
    let left_out = all.len().saturating_sub(COUPONS_MAX);
    all.truncate(COUPONS_MAX);
    (all, left_out)
}

fn is_done(handle: &CouponHandle) -> bool {
    let state = handle.last_standing().map(|(standing, _)| standing.state());
    matches!(state, Some(CouponState::SoldOut | CouponState::Closed))
}

impl From<LogLine> for TroubleLine {
    fn from(line: LogLine) -> Self {
        Self { at: line.at, level: if line.is_error { "error" } else { "warning" }, text: line.text }
    }
}
