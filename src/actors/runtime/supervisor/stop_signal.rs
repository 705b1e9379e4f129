//! The stop signal of an actor: its node shuts down, or an operator restarts the actor.

use actix::prelude::*;
use tokio::sync::watch;

use super::child::ExitNotice;

/// Checked by a background task at every point where it may end.
#[derive(Debug)]
pub struct StopSignal {
    /// Signal of the node. The node counts these receivers to see whether background tasks still run.
    node: watch::Receiver<bool>,
    /// Signal of this actor alone.
    own: watch::Receiver<bool>,
}

impl StopSignal {
    pub(crate) fn new(node: &watch::Sender<bool>, exit: &ExitNotice) -> Self {
        Self { node: node.subscribe(), own: exit.stop.clone() }
    }

    pub(crate) fn is_set(&self) -> bool {
        *self.node.borrow() || *self.own.borrow()
    }

    /// Whether the whole node shuts down.
    pub(crate) fn is_shutdown(&self) -> bool {
        *self.node.borrow()
    }

    /// Waits for the signal. Cancel safe.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            () = becomes_true(&mut self.node) => {}
            () = becomes_true(&mut self.own) => {}
        }
    }
}

async fn becomes_true(signal: &mut watch::Receiver<bool>) {
    if signal.wait_for(|is_set| *is_set).await.is_err() {
        // The sender was dropped; that is not a stop signal.
        std::future::pending::<()>().await;
    }
}

/// Stops an actor that only takes messages on its stop signal, after the messages that wait.
pub(crate) fn stop_on_signal<A>(exit: &ExitNotice, ctx: &mut Context<A>)
where
    A: Actor<Context = Context<A>>,
{
    let mut own = exit.stop.clone();
    let signal = async move { becomes_true(&mut own).await };
    let stop = |(), _: &mut A, ctx: &mut Context<A>| ctx.stop();
    ctx.spawn(fut::wrap_future::<_, A>(signal).map(stop));
}
