//! BackgroundActor: an actor that takes no messages and runs a loop of its own until its stop signal.

use std::sync::Arc;

use actix::prelude::*;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::supervisor::{Child, ExitNotice, StopSignal};
use crate::actors::runtime::catch_panic::PanicBoundary;

/// The loop of such an actor. Each incarnation runs a clone of it.
pub trait BackgroundTask: Clone + Send + Sync + Unpin + 'static {
    /// The actor's kind in metrics and lists.
    const KIND: &'static str;

    /// Unique on the node.
    fn name(&self) -> String {
        Self::KIND.to_owned()
    }

    /// Runs until the stop signal. A panic ends this incarnation, and the supervisor starts the next.
    fn run(self, stop: StopSignal) -> impl Future<Output = ()>;
}

pub struct BackgroundActor<T> {
    task: Option<(T, StopSignal)>,
    exit: ExitNotice,
}

impl<T: BackgroundTask> BackgroundActor<T> {
    /// The actor ends when `stopping` becomes true. Its receivers count the running actors.
    #[must_use]
    pub fn child(task: T, stopping: watch::Sender<bool>, arbiter: ArbiterHandle) -> impl Child {
        BackgroundChild { task, stopping, arbiter, address: ArcSwapOption::empty() }
    }
}

impl<T: BackgroundTask> PanicBoundary for BackgroundActor<T> {
    fn failed(&mut self, reason: String) {
        self.exit.set_reason(reason);
    }
}

impl<T: BackgroundTask> Actor for BackgroundActor<T> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some((task, stop)) = self.task.take() else { return ctx.stop() };
        self.run_guarded(ctx, task.run(stop));
    }
}

struct BackgroundChild<T: BackgroundTask> {
    task: T,
    stopping: watch::Sender<bool>,
    arbiter: ArbiterHandle,
    address: ArcSwapOption<Addr<BackgroundActor<T>>>,
}

impl<T: BackgroundTask> Child for BackgroundChild<T> {
    fn name(&self) -> String {
        self.task.name()
    }

    fn kind(&self) -> &'static str {
        T::KIND
    }

    fn start(&self, exit: ExitNotice) {
        let task = Some((self.task.clone(), StopSignal::new(&self.stopping, &exit)));
        let address =
            BackgroundActor::start_in_arbiter(&self.arbiter, move |_| BackgroundActor { task, exit });
        self.address.store(Some(Arc::new(address)));
    }

    fn is_alive(&self) -> bool {
        self.address.load().as_deref().is_some_and(Addr::connected)
    }

    fn waiting(&self) -> usize {
        0
    }
}
