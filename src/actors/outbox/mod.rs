//! OutboxActor: trims each coupon's outbox up to what the database holds, and offers again what has been in it for too
//! long. One node at a time does so, for all; but whoever begins sees to what it finds, for those who decided that may
//! have died.

mod progress;
mod sweep;

use std::sync::Arc;

use actix::prelude::*;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::time::timeout;

use self::sweep::Sweep;
pub use self::sweep::SweepParts;
use super::contain::Contained;
use super::supervisor::{Child, DeathNote, Leave};

/// The actor's kind in metrics and lists.
const KIND: &str = "outbox";

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
                let rest = sweep.round().await;
                let _rested_or_leaving = timeout(rest, leave.due()).await;
            }
            sweep.stand_down().await;
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
        let sweep = (Sweep::new(self.parts.clone()), leave);
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
