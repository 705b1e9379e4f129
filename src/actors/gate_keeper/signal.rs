//! How others wake the gate's keeper and wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// How long someone waits for a round that began after they asked.
const FRESH_WITHIN: Duration = Duration::from_millis(500);

/// Wakes the keeper, and tells when it has been round.
#[derive(Debug, Clone)]
pub struct KeeperSignal {
    wake: Arc<Notify>,
    rounds: watch::Sender<u64>,
    /// Whether the catalogue could not be read the last time: then a coupon this node does not know may exist.
    catalog_silent: Arc<AtomicBool>,
}

impl Default for KeeperSignal {
    fn default() -> Self {
        Self { wake: Arc::new(Notify::new()), rounds: watch::Sender::new(0), catalog_silent: Arc::default() }
    }
}

impl KeeperSignal {
    /// Makes the next round begin at once. Many nudges make one round.
    pub fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Waits for a round that began after this call, or for half a second.
    pub async fn fresh_round(&self) {
        let mut rounds = self.rounds.subscribe();
        let seen = *rounds.borrow_and_update();
        self.nudge();
        // The round under way may have begun earlier; the one after it did not.
        let both = async {
            loop {
                if *rounds.borrow_and_update() >= seen + 2 {
                    return;
                }
                self.nudge();
                if rounds.changed().await.is_err() {
                    return;
                }
            }
        };
        let _late = timeout(FRESH_WITHIN, both).await;
    }

    /// Waits until somebody nudges.
    pub(super) async fn nudged(&self) {
        self.wake.notified().await;
    }

    /// Whether it is certain that a coupon this node does not know does not exist.
    #[must_use]
    pub fn knows_all(&self) -> bool {
        !self.catalog_silent.load(Ordering::Acquire)
    }

    pub(super) fn catalog_is_read(&self, read: bool) {
        self.catalog_silent.store(!read, Ordering::Release);
    }

    pub(super) fn round_done(&self) {
        self.rounds.send_modify(|rounds| *rounds += 1);
    }
}
