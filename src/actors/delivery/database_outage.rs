//! An outage of the database, logged once when it begins and once when it ends, not by every persister.

use std::sync::Arc;

use tokio::time::Instant;

use crate::sync::Locked;

/// Shared by all persisters of a node; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct DatabaseOutage {
    state: Arc<Locked<State>>,
}

#[derive(Debug, Default)]
struct State {
    is_out: bool,
    /// Time of the last change. The result of a write that started earlier is outdated.
    since: Option<Instant>,
}

impl DatabaseOutage {
    /// Records that the write started at `started` failed, and logs the begin of an outage.
    pub(crate) fn record_failure(&self, started: Instant, error: &dyn std::error::Error) {
        if self.changes_to(true, started) {
            tracing::warn!(error = %error, "the database does not answer: persisters keep their deliveries and retry");
        } else {
            tracing::debug!(error = %error, "the database did not answer a persister");
        }
    }

    /// Records that the write started at `started` was answered, and logs the end of an outage.
    pub(crate) fn record_answer(&self, started: Instant) {
        if self.changes_to(false, started) {
            tracing::info!("the database answers again");
        }
    }

    fn changes_to(&self, is_out: bool, started: Instant) -> bool {
        let mut state = self.state.lock();
        if state.is_out == is_out || state.since.is_some_and(|since| started < since) {
            return false;
        }
        *state = State { is_out, since: Some(Instant::now()) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{DatabaseOutage, Instant};

    #[test]
    fn an_outage_begins_once_and_ends_once_for_all_persisters_of_a_node() {
        let outage = DatabaseOutage::default();
        let clone = outage.clone();
        let before = Instant::now();
        assert!(!outage.changes_to(false, before), "there is no outage yet");
        assert!(outage.changes_to(true, before));
        assert!(!clone.changes_to(true, Instant::now()) && !outage.changes_to(true, Instant::now()));
        assert!(!clone.changes_to(false, before), "a write from before the outage does not end it");
        let during = Instant::now();
        assert!(clone.changes_to(false, during) && !outage.changes_to(false, Instant::now()));
        assert!(!outage.changes_to(true, during), "a write from within the outage does not begin another");
        assert!(outage.changes_to(true, Instant::now()));
        assert!(DatabaseOutage::default().changes_to(true, Instant::now()), "nodes are independent");
    }
}
