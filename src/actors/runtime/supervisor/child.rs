//! The supervisor's interface to an actor: start it, see whether it lives, learn of its death.

use actix::Addr;
use tokio::sync::watch;

use super::{ChildDied, SupervisorActor};

/// An actor that can be started any number of times.
pub trait Child: Send {
    /// Unique on the node, such as `coupon-event/summer`.
    fn name(&self) -> String;

    /// Such as `coupon-event`.
    fn kind(&self) -> &'static str;

    /// Starts an incarnation and publishes its address. `exit` must live exactly as long as the actor.
    fn start(&self, exit: ExitNotice);

    /// Whether the current incarnation takes messages.
    fn is_alive(&self) -> bool;

    /// Messages that wait for the actor.
    fn waiting(&self) -> usize;

    /// Called when the actor stays down: waiting requests must fail now. The next [`Child::start`] ends that.
    fn on_abandoned(&self) {}
}

/// Owned by an actor. Dropped with it, by a stop or a panic, it notifies the supervisor of the death.
#[derive(Debug)]
pub struct ExitNotice {
    pub(super) supervisor: Addr<SupervisorActor>,
    pub(super) name: String,
    pub(super) incarnation: u64,
    pub(super) reason: Option<String>,
    /// The actor's own stop signal.
    pub(super) stop: watch::Receiver<bool>,
}

impl ExitNotice {
    pub(crate) fn set_reason(&mut self, reason: String) {
        self.reason = Some(reason);
    }
}

impl Drop for ExitNotice {
    fn drop(&mut self) {
        let panicked = || std::thread::panicking().then(|| "it panicked".to_owned());
        let reason = self.reason.take().or_else(panicked);
        let name = std::mem::take(&mut self.name);
        // If the supervisor's mailbox is full, its next round finds the death.
        let _mailbox_full =
            self.supervisor.try_send(ChildDied { name, incarnation: self.incarnation, reason });
    }
}
