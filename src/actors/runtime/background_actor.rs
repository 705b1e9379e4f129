//! LoopActor: the shell of an actor that takes no messages but runs a loop of its own until it should end.

use std::sync::Arc;

use actix::prelude::*;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use crate::actors::runtime::catch_panic::Contained;
use super::supervisor::{Child, DeathNote, Leave};

/// What such an actor does. Each life begins with a clone of it.
pub trait LoopWork: Clone + Send + Sync + Unpin + 'static {
    /// The actor's kind in metrics and lists.
    const KIND: &'static str;

    /// The actor's name, unique on the node.
    fn name(&self) -> String {
        Self::KIND.to_owned()
    }

    /// Runs until it is due to leave. What it panics with ends this life of the actor, and the supervisor begins another.
    fn run(self, leave: Leave) -> impl Future<Output = ()>;
}

/// One life of the actor.
pub struct LoopActor<W> {
    work: Option<(W, Leave)>,
    note: DeathNote,
}

impl<W: LoopWork> LoopActor<W> {
    /// What the supervisor needs to keep one alive on `arbiter`; it ends when `stopping` becomes true, whose receivers are
    /// those that live.
    #[must_use]
    pub fn child(work: W, stopping: watch::Sender<bool>, arbiter: ArbiterHandle) -> impl Child {
        LoopChild { work, stopping, arbiter, address: ArcSwapOption::empty() }
    }
}

impl<W: LoopWork> Contained for LoopActor<W> {
    fn failed(&mut self, why: String) {
        self.note.because(why);
    }
}

impl<W: LoopWork> Actor for LoopActor<W> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some((work, leave)) = self.work.take() else { return ctx.stop() };
        self.run_contained(ctx, work.run(leave));
    }
}

struct LoopChild<W: LoopWork> {
    work: W,
    stopping: watch::Sender<bool>,
    arbiter: ArbiterHandle,
    address: ArcSwapOption<Addr<LoopActor<W>>>,
}

impl<W: LoopWork> Child for LoopChild<W> {
    fn name(&self) -> String {
        self.work.name()
    }

    fn kind(&self) -> &'static str {
        W::KIND
    }

    fn start(&self, note: DeathNote) {
        let work = Some((self.work.clone(), Leave::of(&self.stopping, &note)));
        let address = LoopActor::start_in_arbiter(&self.arbiter, move |_| LoopActor { work, note });
        self.address.store(Some(Arc::new(address)));
    }

    fn is_alive(&self) -> bool {
        self.address.load().as_deref().is_some_and(Addr::connected)
    }

    fn waiting(&self) -> usize {
        0
    }
}
