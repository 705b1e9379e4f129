//! PresenceActor: says twice a second that this node lives, and hears which coupons are doubted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::time::timeout;

use super::contain::Contained;
use super::fail_point;
use super::peers::Peers;
use super::recovery::Recoveries;
use super::registry::CouponRegistry;
use super::supervisor::{Child, DeathNote, Leave};

/// The actor's kind in metrics and lists.
const KIND: &str = "presence";
/// How often this node says that it lives.
const BEAT: Duration = Duration::from_millis(500);

/// What the actor works with.
#[derive(Clone)]
struct Parts {
    peers: Arc<Peers>,
    /// Absent on an engine that cannot lose what it decided: then nobody ever doubts a coupon.
    recoveries: Option<Arc<Recoveries>>,
    registry: Arc<CouponRegistry>,
}

impl Parts {
    async fn beat(&self) {
        fail_point::visit(KIND, "beat");
        let begun = Instant::now();
        match self.peers.beat().await {
            Ok(open) => {
                let Some(recoveries) = &self.recoveries else { return };
                for coupon in recoveries.heard(open, begun) {
                    match self.registry.find(&coupon) {
                        Some(handle) => recoveries.attend(&handle),
                        None => recoveries.know_nothing_of(&coupon).await,
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "nobody heard that this node lives"),
        }
    }
}

/// The shell around the beat.
pub struct PresenceActor {
    body: Option<(Parts, Leave)>,
    note: DeathNote,
}

impl PresenceActor {
    /// What the supervisor needs to keep the beat going on `arbiter`; it ends when `stopping` becomes true.
    #[must_use]
    pub fn child(
        peers: Arc<Peers>,
        recoveries: Option<Arc<Recoveries>>,
        registry: Arc<CouponRegistry>,
        stopping: watch::Sender<bool>,
        arbiter: ArbiterHandle,
    ) -> impl Child {
        let parts = Parts { peers, recoveries, registry };
        PresenceChild { parts, stopping, arbiter, address: ArcSwapOption::empty() }
    }
}

impl Contained for PresenceActor {
    fn failed(&mut self, why: String) {
        self.note.because(why);
    }
}

impl Actor for PresenceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some((parts, mut leave)) = self.body.take() else { return ctx.stop() };
        self.run_contained(ctx, async move {
            while !leave.is_due() {
                parts.beat().await;
                let _rested_or_leaving = timeout(BEAT, leave.due()).await;
            }
            if leave.is_for_good() {
                if let Some(recoveries) = &parts.recoveries {
                    recoveries.stand_down().await;
                }
                parts.peers.leave().await;
            }
        });
    }
}

struct PresenceChild {
    parts: Parts,
    stopping: watch::Sender<bool>,
    arbiter: ArbiterHandle,
    address: ArcSwapOption<Addr<PresenceActor>>,
}

impl Child for PresenceChild {
    fn name(&self) -> String {
        KIND.to_owned()
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn start(&self, note: DeathNote) {
        let body = (self.parts.clone(), Leave::of(&self.stopping, &note));
        let address =
            PresenceActor::start_in_arbiter(&self.arbiter, move |_| PresenceActor { body: Some(body), note });
        self.address.store(Some(Arc::new(address)));
    }

    fn is_alive(&self) -> bool {
        self.address.load().as_deref().is_some_and(Addr::connected)
    }

    fn waiting(&self) -> usize {
        0
    }
}
