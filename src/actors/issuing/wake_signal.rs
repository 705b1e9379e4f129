//! How others wake the gate's keeper and wait for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// How long someone waits for a round that began after they asked.
const FRESH_WITHIN: Duration = Duration::from_millis(500);

/// Wakes the keeper, and tells when it has been round.
#[derive(Debug, Clone)]
pub struct WakeSignal {
    wake: Arc<Notify>,
    /// Counts the rounds in which the engine and, where it was due, the catalogue answered.
    rounds: watch::Sender<u64>,
}

impl Default for WakeSignal {
    fn default() -> Self {
        Self { wake: Arc::new(Notify::new()), rounds: watch::Sender::new(0) }
    }
}

impl WakeSignal {
    /// Makes the next round begin at once. Many nudges make one round.
    pub fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Waits for a round that began after this call; whether there was one within half a second. If not, what this node
    /// does not know may exist all the same.
    pub async fn fresh_round(&self) -> bool {
        let mut rounds = self.rounds.subscribe();
        let seen = *rounds.borrow_and_update();
        self.nudge();
        // The round under way may have begun earlier; the one after it did not.
        let both = async {
            loop {
                if *rounds.borrow_and_update() >= seen + 2 {
                    return true;
                }
                self.nudge();
                if rounds.changed().await.is_err() {
                    return false;
                }
            }
        };
        timeout(FRESH_WITHIN, both).await.unwrap_or(false)
    }

    /// Waits until somebody nudges.
    pub(crate) async fn nudged(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn round_done(&self) {
        self.rounds.send_modify(|rounds| *rounds += 1);
    }
}
