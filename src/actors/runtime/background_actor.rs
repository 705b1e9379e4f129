//! LoopActor: the shell of an actor that takes no messages but runs a loop of its own until it should end.

use std::sync::Arc;

use actix::prelude::*;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::supervisor::{Child, ExitNotice, StopSignal};
use crate::actors::runtime::catch_panic::PanicBoundary;

/// What such an actor does. Each life begins with a clone of it.
pub trait BackgroundTask: Clone + Send + Sync + Unpin + 'static {
    /// The actor's kind in metrics and lists.
    const KIND: &'static str;

    /// The actor's name, unique on the node.
    fn name(&self) -> String {
        Self::KIND.to_owned()
    }

    /// Runs until it is due to leave. What it panics with ends this life of the actor, and the supervisor begins another.
    fn run(self, leave: StopSignal) -> impl Future<Output = ()>;
}

/// One life of the actor.
pub struct BackgroundActor<W> {
    work: Option<(W, StopSignal)>,
    note: ExitNotice,
}

impl<W: BackgroundTask> BackgroundActor<W> {
    /// What the supervisor needs to keep one alive on `arbiter`; it ends when `stopping` becomes true, whose receivers are
    /// those that live.
    #[must_use]
    pub fn child(work: W, stopping: watch::Sender<bool>, arbiter: ArbiterHandle) -> impl Child {
        LoopChild { work, stopping, arbiter, address: ArcSwapOption::empty() }
    }
}

impl<W: BackgroundTask> PanicBoundary for BackgroundActor<W> {
    fn failed(&mut self, why: String) {
        self.note.set_reason(why);
    }
}

impl<W: BackgroundTask> Actor for BackgroundActor<W> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some((work, leave)) = self.work.take() else { return ctx.stop() };
        self.run_guarded(ctx, work.run(leave));
    }
}

struct LoopChild<W: BackgroundTask> {
    work: W,
    stopping: watch::Sender<bool>,
    arbiter: ArbiterHandle,
    address: ArcSwapOption<Addr<BackgroundActor<W>>>,
}

impl<W: BackgroundTask> Child for LoopChild<W> {
    fn name(&self) -> String {
        self.work.name()
    }

    fn kind(&self) -> &'static str {
        W::KIND
    }

    fn start(&self, note: ExitNotice) {
        let work = Some((self.work.clone(), StopSignal::of(&self.stopping, &note)));
        let address =
            BackgroundActor::start_in_arbiter(&self.arbiter, move |_| BackgroundActor { work, note });
        self.address.store(Some(Arc::new(address)));
    }

    fn is_alive(&self) -> bool {
        self.address.load().as_deref().is_some_and(Addr::connected)
    }

    fn waiting(&self) -> usize {
        0
    }
}
