//! The arbiters (threads with an event loop) over which the actors of a node are spread.

use std::hash::{DefaultHasher, Hash, Hasher};

use actix::{Arbiter, ArbiterHandle};

/// A fixed set of arbiters. The same actor name always gives the same arbiter.
#[derive(Debug)]
pub struct Arbiters {
    arbiters: Vec<Arbiter>,
    /// Separate, because an actor with a flooded mailbox blocks the others on its arbiter.
    housekeeping: Arbiter,
}

impl Arbiters {
    /// Starts `count` arbiters, at least one, and one for housekeeping.
    #[must_use]
    pub fn start(count: usize) -> Self {
        Self { arbiters: (0..count.max(1)).map(|_| Arbiter::new()).collect(), housekeeping: Arbiter::new() }
    }

    /// The arbiter of the actor `name`.
    #[must_use]
    pub fn of(&self, name: &str) -> ArbiterHandle {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let count = self.arbiters.len() as u64;
        let index = usize::try_from(hasher.finish() % count).unwrap_or(0);
        self.arbiters[index].handle()
    }

    /// The arbiter of the supervisor, the gate keeper and the sweep.
    #[must_use]
    pub fn housekeeping(&self) -> ArbiterHandle {
        self.housekeeping.handle()
    }

    /// Stops every arbiter after its current work.
    pub fn stop(&self) {
        for arbiter in self.arbiters.iter().chain([&self.housekeeping]) {
            arbiter.stop();
        }
    }
}
