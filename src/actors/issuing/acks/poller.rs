//! Asks the database, on behalf of all who wait, which of their rows it holds: persisters may be on other nodes.

use std::sync::Arc;
use std::time::Duration;

use super::AckBoard;
use crate::actors::runtime::catch_panic::catch_panic_async;
use crate::domain::AckLevel;
use crate::fault_injection::panics;
use crate::ports::{IssuanceStore, StoreError};
use crate::retry::Retry;
use crate::telemetry::Metrics;

/// What it is called in metrics.
const KIND: &str = "acks";
/// Before the first question, and after one that told somebody something.
const SHORTEST_REST: Duration = Duration::from_millis(5);
/// The rest doubles with every question in vain up to this, which is what waiting costs the database at most.
const LONGEST_REST: Duration = Duration::from_millis(50);
/// Sequences in one question.
const PAGE: usize = 1_000;

/// At work only while somebody waits, and with one question at a time, so that it takes one connection at most.
pub(super) struct Poller {
    pub(super) board: AckBoard,
    pub(super) store: Arc<dyn IssuanceStore>,
    pub(super) metrics: Arc<Metrics>,
}

impl Poller {
    /// Asks until nobody waits any more. There must be one at a time.
    pub(super) async fn run(self) {
        let (mut rest, mut retry) = (SHORTEST_REST, Retry::database());
        loop {
            tokio::time::sleep(rest).await;
            if self.board.is_over() {
                return;
            }
            rest = match catch_panic_async(self.round()).await {
                Ok(Ok(told)) => {
                    retry.reset();
                    if told > 0 { SHORTEST_REST } else { (rest * 2).min(LONGEST_REST) }
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the database cannot say what has arrived");
                    retry.wait()
                }
                Err(why) => {
                    self.metrics.actor_panicked(KIND);
                    tracing::error!(error = %why, "a question for what has arrived failed; it is asked again");
                    retry.wait()
                }
            };
        }
    }

    /// Asks once about everybody who waits; how many could be told. How long an answer may take is the store's to bound:
    /// a question given up here would go on there, and keep its connection.
    async fn round(&self) -> Result<usize, StoreError> {
        panics::visit(KIND, "round");
        let mut told = 0;
        for coupon in self.board.coupons() {
            let mut after = 0;
            loop {
                let page = self.board.page(&coupon, after, PAGE);
                let Some(last) = page.last().copied() else { break };
                let held = self.store.holders(&coupon, &page).await?;
                let rows = held.iter().map(|(sequence, member)| (*sequence, member));
                told += self.board.reached(&coupon, AckLevel::Persisted, rows);
                after = last;
            }
        }
        Ok(told)
    }
}
