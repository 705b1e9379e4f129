//! Asks the database which rows of the waiting requests it holds. Rows may be written by the persisters of other nodes,
//! of which this node learns in no other way.

use std::sync::Arc;
use std::time::Duration;

use super::AckBoard;
use crate::actors::runtime::catch_panic::catch_panic_async;
use crate::domain::AckLevel;
use crate::fault_injection::panics;
use crate::ports::{IssuanceStore, StoreError};
use crate::retry::Retry;
use crate::telemetry::Metrics;

/// The poller's name in metrics.
const KIND: &str = "acks";
/// Pause before the first query, and after a query that found a row.
const MIN_PAUSE: Duration = Duration::from_millis(5);
/// Every query that finds no row doubles the pause up to this bound, which limits the load on the database.
const MAX_PAUSE: Duration = Duration::from_millis(50);
/// Sequences in one query.
const PAGE: usize = 1_000;

/// Runs only while requests wait, with one query at a time, so that it uses at most one connection.
pub(super) struct Poller {
    pub(super) board: AckBoard,
    pub(super) store: Arc<dyn IssuanceStore>,
    pub(super) metrics: Arc<Metrics>,
}

impl Poller {
    /// Polls until no request waits. At most one poller runs at a time.
    pub(super) async fn run(self) {
        let mut pause = MIN_PAUSE;
        let mut retry = Retry::service();
        loop {
            tokio::time::sleep(pause).await;
            if self.board.retire_poller() {
                return;
            }
            pause = match catch_panic_async(self.round()).await {
                Ok(Ok(released)) => {
                    retry.reset();
                    if released > 0 { MIN_PAUSE } else { (pause * 2).min(MAX_PAUSE) }
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "rows of waiting requests could not be read; retrying");
                    retry.wait()
                }
                Err(message) => {
                    self.metrics.actor_panicked(KIND);
                    tracing::error!(error = %message, "reading the rows of waiting requests panicked; retrying");
                    retry.wait()
                }
            };
        }
    }

    /// Queries the rows of all waiting requests; returns the number of requests released. The store bounds the time of a
    /// query: one abandoned here would go on there and keep its connection.
    async fn round(&self) -> Result<usize, StoreError> {
        panics::visit(KIND, "round");
        let mut released = 0;
        for coupon in self.board.coupons() {
            let mut after = 0;
            loop {
                let page = self.board.page(&coupon, after, PAGE);
                let Some(last) = page.last().copied() else { break };
                let held = self.store.holders(&coupon, &page).await?;
                let rows = held.iter().map(|(sequence, member)| (*sequence, member));
                released += self.board.release(&coupon, AckLevel::Persisted, rows);
                after = last;
            }
        }
        Ok(released)
    }
}
