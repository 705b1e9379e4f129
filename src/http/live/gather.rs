//! Putting a snapshot together from what the node knows, without asking the engine for anything.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::bodies::{CouponLine, Pipeline, Snapshot, TroubleLine};
use super::rates::Rates;
use super::slow_stats::{Glance, GlanceSources, Glances};
use crate::actors::issuing::{CouponHandle, CouponRegistry};
use crate::actors::runtime::ActorAdmin;
use crate::clock;
use crate::domain::{CouponId, CouponState};
use crate::http::actor_body::ActorBody;
use crate::ports::{LostNumbers, Outbox, Quarantine, QueueWatch};
use crate::telemetry::{LogLine, recent_log_lines};

/// The most coupons in a snapshot.
const COUPONS_MAX: usize = 200;

/// How old the engine's word on a coupon may be to say how fast it goes.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Where a snapshot comes from.
#[derive(Clone)]
pub struct LiveSources {
    /// The coupons of this node.
    pub registry: Arc<CouponRegistry>,
    /// Its actors.
    pub actors: ActorAdmin,
    /// The name of the engine.
    pub engine: &'static str,
    /// Whether members are answered here.
    pub serves_api: bool,
    /// What waits for the database; none where the engine is the database. So for the next two.
    pub outbox: Option<Arc<dyn Outbox>>,
    /// The way to the queue.
    pub queues: Option<Arc<dyn QueueWatch>>,
    /// Numbers nobody knows the holder of.
    pub lost: Option<Arc<dyn LostNumbers>>,
    /// What contradicts the database.
    pub quarantine: Arc<dyn Quarantine>,
}

/// Makes one snapshot after another.
pub(super) struct Gathering {
    sources: LiveSources,
    glances: Glances,
    rates: Rates,
}

impl Gathering {
    pub(super) fn new(sources: LiveSources) -> Self {
        let glances = Glances::new(GlanceSources {
            outbox: sources.outbox.clone(),
            queues: sources.queues.clone(),
            quarantine: Arc::clone(&sources.quarantine),
            lost: sources.lost.clone(),
        });
        Self { sources, glances, rates: Rates::default() }
    }

    /// Forgets how fast things went, since nobody looks any more.
    pub(super) fn rest(&mut self) {
        self.rates = Rates::default();
    }

    pub(super) async fn snapshot(&mut self) -> Snapshot {
        let (shown, left_out) = shown(self.sources.registry.all());
        let ids = || shown.iter().map(|handle| handle.id().clone()).collect();
        let glance = self.glances.latest(ids);
        let coupons: Vec<CouponLine> = shown.iter().map(|handle| self.line(handle, &glance)).collect();
        let kept: HashSet<&CouponId> = shown.iter().map(|handle| handle.id()).collect();
        self.rates.keep(|id| kept.contains(id));
        let actors = self.sources.actors.list().await.ok();
        Snapshot {
            at: clock::now(),
            version: env!("CARGO_PKG_VERSION"),
            engine: self.sources.engine,
            serves_api: self.sources.serves_api,
            waiting: self.sources.registry.waiting(),
            pipeline: self.pipeline(&coupons, &glance),
            coupons,
            coupons_left_out: left_out,
            actors: actors.map(|actors| actors.into_iter().map(ActorBody::from).collect()),
            conflicts: glance.conflicts,
            lost: glance.lost,
            troubles: recent_log_lines().into_iter().map(TroubleLine::from).collect(),
        }
    }

    fn line(&mut self, handle: &CouponHandle, glance: &Glance) -> CouponLine {
        // Other nodes issue it too: the keeper looks again before the next snapshot.
        handle.refresh_next_round();
        let coupon = handle.coupon();
        let seen = handle.last_standing();
        let is_known = seen.is_some() && !handle.gate().is_recovering();
        let is_fresh = seen.is_some_and(|(_, age)| age < FRESH_FOR);
        let standing = seen.map_or_else(|| coupon.standing(coupon.created_at), |(standing, _)| standing);
        let inventory = standing.inventory;
        let per_s = self.rates.note(&coupon.id, standing.now, inventory.issued());
        CouponLine {
            id: coupon.id.to_string(),
            name: coupon.terms.name().to_owned(),
            state: if is_known { standing.state().as_str() } else { "recovering" },
            lifecycle: standing.lifecycle.as_str(),
            total: inventory.total(),
            issued: inventory.issued(),
            remaining: inventory.remaining(),
            issued_per_s: is_fresh.then_some(per_s),
            outbox: glance.outbox.get(&coupon.id).copied(),
            opens_at: standing.window.opens_at(),
            closes_at: standing.window.closes_at(),
        }
    }

    fn pipeline(&self, coupons: &[CouponLine], glance: &Glance) -> Option<Pipeline> {
        self.sources.queues.as_ref()?;
        let depths: Vec<u64> = coupons.iter().filter_map(|coupon| coupon.outbox).collect();
        Some(Pipeline {
            outbox: (depths.len() == coupons.len()).then(|| depths.iter().sum()),
            queue: glance.queue,
            dead_letters: glance.dead_letters,
        })
    }
}

/// Those that are shown, and how many are not: what still goes comes first, then by id.
fn shown(mut all: Vec<Arc<CouponHandle>>) -> (Vec<Arc<CouponHandle>>, usize) {
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
    fn from(trouble: LogLine) -> Self {
        Self { at: trouble.at, level: if trouble.is_error { "error" } else { "warning" }, text: trouble.text }
    }
}
