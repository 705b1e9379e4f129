//! Whether the database answers a node's persisters: it is said once when it no longer does, and once when it does again.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// The silence of the database as all persisters of one node see it. Cheap to clone; all clones are the same silence.
#[derive(Debug, Clone, Default)]
pub struct DatabaseOutage {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    lasts: bool,
    /// When that changed last. What was begun before says nothing of how it is since.
    since: Option<Instant>,
}

impl DatabaseOutage {
    /// Notes that what was begun at `begun` had no answer; says so if the database answered until now.
    pub(crate) fn had_no_answer(&self, begun: Instant, error: &dyn std::error::Error) {
        if self.changes(begun, true) {
            tracing::warn!(error = %error, "the database does not answer: the persisters wait, and keep what they have");
        } else {
            tracing::debug!(error = %error, "the database did not answer");
        }
    }

    /// Notes that what was begun at `begun` had an answer; says so if the database did not answer until now.
    pub(crate) fn had_an_answer(&self, begun: Instant) {
        if self.changes(begun, false) {
            tracing::info!("the database answers again");
        }
    }

    fn changes(&self, begun: Instant, lasts: bool) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lasts == lasts || state.since.is_some_and(|since| begun < since) {
            return false;
        }
        *state = State { lasts, since: Some(Instant::now()) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{DatabaseOutage, Instant};

    #[test]
    fn a_silence_begins_once_and_ends_once_for_all_persisters_of_a_node() {
        let (one, other) = (DatabaseOutage::default(), DatabaseOutage::default());
        let same = one.clone();
        let early = Instant::now();
        assert!(!one.changes(early, false), "it answered all the time");
        assert!(
            one.changes(early, true)
                && !same.changes(Instant::now(), true)
                && !one.changes(Instant::now(), true)
        );
        assert!(!same.changes(early, false), "what was begun before the silence does not end it");
        let late = Instant::now();
        assert!(same.changes(late, false) && !one.changes(Instant::now(), false));
        assert!(!one.changes(late, true), "nor does a wait from within it make another");
        assert!(one.changes(Instant::now(), true) && other.changes(Instant::now(), true));
    }
}
