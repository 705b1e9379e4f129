//! Wakes the gate keeper, and waits until it has completed a round.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// Bound on the wait for a fresh round.
const FRESH_WITHIN: Duration = Duration::from_millis(500);

/// Shared between the gate keeper and the tasks that depend on its rounds.
#[derive(Debug, Clone)]
pub struct WakeSignal {
    wake: Arc<Notify>,
    /// Counts the rounds in which the engine and, where the round read it, the catalogue answered.
    rounds: watch::Sender<u64>,
}

impl Default for WakeSignal {
    fn default() -> Self {
        Self { wake: Arc::new(Notify::new()), rounds: watch::Sender::new(0) }
    }
}

impl WakeSignal {
    /// Makes the next round begin at once. Several calls before that round make one round.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for a round that begins after this call. Returns whether one completed within `FRESH_WITHIN`; if not, a
    /// coupon that this node does not know may exist in the catalogue.
    pub async fn fresh_round(&self) -> bool {
        let mut rounds = self.rounds.subscribe();
        let completed_before = *rounds.borrow_and_update();
        self.wake();
        // The current round may have begun before this call; the second one from now did not.
        let two_rounds = async {
            loop {
                if *rounds.borrow_and_update() >= completed_before + 2 {
                    return true;
                }
                self.wake();
                if rounds.changed().await.is_err() {
                    return false;
                }
            }
        };
        timeout(FRESH_WITHIN, two_rounds).await.unwrap_or(false)
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn round_done(&self) {
        self.rounds.send_modify(|rounds| *rounds += 1);
    }
}
