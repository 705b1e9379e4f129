//! Deliveries in flight on this node: they have left the queue and are not in the database yet, so that only the node
//! itself knows of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::Locked;

/// Age from which a delivery in flight keeps the node from being idle. Persisters write in milliseconds; only a persister
/// that is held up takes longer.
pub(crate) const IN_FLIGHT_AT_MOST: Duration = Duration::from_secs(1);
/// Time for which a returned delivery keeps the node from being idle. By then another node has received it, and has
/// reported that it is not idle.
const RETURNED_RECENTLY_FOR: Duration = Duration::from_secs(3);

/// Tracks the deliveries in flight of all persisters of a node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Locked<State>>);

#[derive(Debug, Default)]
struct State {
    /// Per busy persister: deliveries received before this instant are acknowledged.
    acknowledged_before: HashMap<u64, Instant>,
    next_id: u64,
    last_return: Option<Instant>,
}

/// The deliveries in flight of one persister. Dropped without [`InFlightGuard::finish`], as after an error or a panic, it
/// counts them as returned to the queue.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    in_flight: InFlight,
    id: u64,
    is_finished: bool,
}

impl InFlight {
    /// Counts the caller as a busy persister, whose deliveries are received from now on.
    pub(crate) fn track(&self) -> InFlightGuard {
        let mut state = self.0.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.acknowledged_before.insert(id, Instant::now());
        InFlightGuard { in_flight: self.clone(), id, is_finished: false }
    }

    /// Whether at `now` no delivery is in flight for [`IN_FLIGHT_AT_MOST`], and none was returned recently.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        let state = self.0.lock();
        let is_old = |since: &Instant| now.saturating_duration_since(*since) >= IN_FLIGHT_AT_MOST;
        let is_recent = |at: Instant| now.saturating_duration_since(at) < RETURNED_RECENTLY_FOR;
        !state.acknowledged_before.values().any(is_old) && !state.last_return.is_some_and(is_recent)
    }
}

impl InFlightGuard {
    /// Records that every delivery received before `moment` is acknowledged. There may be later ones.
    pub(crate) fn acknowledged_before(&self, moment: Instant) {
        self.in_flight.0.lock().acknowledged_before.insert(self.id, moment);
    }

    /// Records that every delivery is acknowledged.
    pub(crate) fn finish(mut self) {
        self.is_finished = true;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut state = self.in_flight.0.lock();
        state.acknowledged_before.remove(&self.id);
        if !self.is_finished {
            state.last_return = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, IN_FLIGHT_AT_MOST, InFlight, Instant, RETURNED_RECENTLY_FOR};

    #[test]
    fn an_old_delivery_keeps_the_node_busy_until_it_is_acknowledged() {
        let in_flight = InFlight::default();
        let first = in_flight.track();
        let second = in_flight.clone().track();
        let later = Instant::now() + IN_FLIGHT_AT_MOST;
        assert!(in_flight.is_idle(Instant::now()) && !in_flight.is_idle(later));
        first.finish();
        assert!(!in_flight.is_idle(later));
        second.acknowledged_before(later);
        assert!(in_flight.is_idle(later), "earlier deliveries are rows, and there may be later ones");
        assert!(!in_flight.is_idle(later + IN_FLIGHT_AT_MOST));
        second.finish();
        assert!(in_flight.is_idle(later + IN_FLIGHT_AT_MOST));
    }

    #[test]
    fn a_returned_delivery_keeps_the_node_busy_for_a_while() {
        let in_flight = InFlight::default();
        drop(in_flight.track());
        let now = Instant::now();
        assert!(!in_flight.is_idle(now));
        assert!(!in_flight.is_idle(now + RETURNED_RECENTLY_FOR - Duration::from_millis(500)));
        assert!(in_flight.is_idle(now + RETURNED_RECENTLY_FOR));
    }
}
