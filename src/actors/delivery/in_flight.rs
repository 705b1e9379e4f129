//! What the persisters of this node have in hand: it has left the queue and is not in the database yet, and nobody but the
//! node itself can tell.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a delivery may be in hand before the node says so. Persisters write in milliseconds; only one that is held up
/// takes longer.
pub(crate) const IN_FLIGHT_AT_MOST: Duration = Duration::from_secs(1);
/// For how long a node is not free after it has given something back: another one may have it in hand by then, and has to
/// have had the time to say so.
const RETURNED_RECENTLY_FOR: Duration = Duration::from_secs(3);

/// The hands of one node's persisters. Cheap to clone; all clones are the same hands.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Of each persister that has something in hand, the moment before which everything it was delivered is settled.
    settled_before: HashMap<u64, Instant>,
    /// The name of the next one.
    next: u64,
    given_back: Option<Instant>,
}

/// What one persister has in hand. Dropping it says that it was given back, as when the persister fails or panics.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    hands: InFlight,
    name: u64,
    is_settled: bool,
}

impl InFlight {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a persister had nothing in hand until now, and has something from now on.
    pub(crate) fn hold(&self) -> InFlightGuard {
        let mut state = self.state();
        let name = state.next;
        state.next += 1;
        state.settled_before.insert(name, Instant::now());
        InFlightGuard { hands: self.clone(), name, is_settled: false }
    }

    /// Whether at `now` nothing was in hand for longer than [`IN_FLIGHT_AT_MOST`], and nothing has lately been given back.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        let state = self.state();
        let is_old = |since: &Instant| now.saturating_duration_since(*since) >= IN_FLIGHT_AT_MOST;
        let lately = |at: Instant| now.saturating_duration_since(at) < RETURNED_RECENTLY_FOR;
        !state.settled_before.values().any(is_old) && !state.given_back.is_some_and(lately)
    }
}

impl InFlightGuard {
    /// Says that everything that was delivered before `moment` is settled, but there may be more.
    pub(crate) fn settled_before(&self, moment: Instant) {
        self.hands.state().settled_before.insert(self.name, moment);
    }

    /// Says that nothing is in hand any more, and nothing was given back.
    pub(crate) fn settled(mut self) {
        self.is_settled = true;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut state = self.hands.state();
        state.settled_before.remove(&self.name);
        if !self.is_settled {
            state.given_back = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, IN_FLIGHT_AT_MOST, InFlight, Instant, RETURNED_RECENTLY_FOR};

    #[test]
    fn what_is_held_for_long_counts_until_it_is_settled() {
        let hands = InFlight::default();
        let (one, other) = (hands.hold(), hands.clone().hold());
        let later = Instant::now() + IN_FLIGHT_AT_MOST;
        assert!(hands.is_idle(Instant::now()) && !hands.is_idle(later));
        one.settled();
        assert!(!hands.is_idle(later));
        other.settled_before(later);
        assert!(hands.is_idle(later), "what came before is a row, and there may be more");
        assert!(!hands.is_idle(later + IN_FLIGHT_AT_MOST));
        other.settled();
        assert!(hands.is_idle(later + IN_FLIGHT_AT_MOST));
    }

    #[test]
    fn what_was_given_back_is_somebody_elses_in_a_while() {
        let hands = InFlight::default();
        drop(hands.hold());
        let now = Instant::now();
        assert!(!hands.is_idle(now));
        assert!(!hands.is_idle(now + RETURNED_RECENTLY_FOR - Duration::from_millis(500)));
        assert!(hands.is_idle(now + RETURNED_RECENTLY_FOR));
    }
}
