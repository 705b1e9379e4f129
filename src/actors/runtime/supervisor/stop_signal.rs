//! How an actor hears that it should finish and end: because its node shuts down, or because an operator has it made
//! anew.

use actix::prelude::*;
use tokio::sync::watch;

use super::child::ExitNotice;

/// Held by an actor that runs a loop of its own, which looks at it wherever it may end.
#[derive(Debug)]
pub struct StopSignal {
    /// Its node's; that it lives tells the node that the actor does.
    node: watch::Receiver<bool>,
    /// Its own.
    own: watch::Receiver<bool>,
}

impl StopSignal {
    /// What the owner of `note` listens to, on a node that says by `node` that it shuts down.
    pub(crate) fn of(node: &watch::Sender<bool>, note: &ExitNotice) -> Self {
        Self { node: node.subscribe(), own: note.leave.clone() }
    }

    /// Whether it should end now.
    pub(crate) fn is_set(&self) -> bool {
        *self.node.borrow() || *self.own.borrow()
    }

    /// Whether its whole node shuts down.
    pub(crate) fn is_for_good(&self) -> bool {
        *self.node.borrow()
    }

    /// Waits until it should end. Cancelling this call loses nothing.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            () = becomes_true(&mut self.node) => {}
            () = becomes_true(&mut self.own) => {}
        }
    }
}

async fn becomes_true(told: &mut watch::Receiver<bool>) {
    if told.wait_for(|told| *told).await.is_err() {
        // Whoever could have told it is gone without a word, which is none.
        std::future::pending::<()>().await;
    }
}

/// For an actor that only takes messages: it ends when the owner of `note` is told to, after the messages that wait.
pub(crate) fn stop_on_signal<A>(note: &ExitNotice, ctx: &mut Context<A>)
where
    A: Actor<Context = Context<A>>,
{
    let mut own = note.leave.clone();
    let told = async move { becomes_true(&mut own).await };
    let stop = |(), _: &mut A, ctx: &mut Context<A>| ctx.stop();
    ctx.spawn(fut::wrap_future::<_, A>(told).map(stop));
}
