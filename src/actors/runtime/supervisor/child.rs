//! What the supervisor needs of an actor: a way to make it, a way to see that it lives, and a word when it dies.

use actix::Addr;
use tokio::sync::watch;

use super::{ChildDied, SupervisorActor};

/// An actor that can be made again and again.
pub trait Child: Send {
    /// Its name, unique on the node, such as `coupon-event/summer`.
    fn name(&self) -> String;

    /// Its kind, such as `coupon-event`.
    fn kind(&self) -> &'static str;

    /// Makes one and puts its address where others find it. The note must live exactly as long as the actor.
    fn start(&self, note: ExitNotice);

    /// Whether the one made last still takes messages.
    fn is_alive(&self) -> bool;

    /// How many messages wait for it.
    fn waiting(&self) -> usize;

    /// Told when it died too often and stays down until an operator says otherwise: whoever waits for it must not go on
    /// waiting. The next [`Child::start`] ends that.
    fn on_abandoned(&self) {}
}

/// Held by an actor; when the actor is gone, however it went, the note tells the supervisor.
#[derive(Debug)]
pub struct ExitNotice {
    pub(super) supervisor: Addr<SupervisorActor>,
    pub(super) name: String,
    pub(super) incarnation: u64,
    pub(super) why: Option<String>,
    /// Becomes true when the holder is to finish and end.
    pub(super) leave: watch::Receiver<bool>,
}

impl ExitNotice {
    /// Notes why the actor is about to stop.
    pub(crate) fn set_reason(&mut self, reason: String) {
        self.why = Some(reason);
    }
}

impl Drop for ExitNotice {
    fn drop(&mut self) {
        let why = self.why.take().or_else(|| std::thread::panicking().then(|| "it panicked".to_owned()));
        let (name, incarnation) = (std::mem::take(&mut self.name), self.incarnation);
        // If the supervisor's mailbox is full or gone, its next round finds the death by itself.
        let _unheard = self.supervisor.try_send(ChildDied { name, incarnation, why });
    }
}
