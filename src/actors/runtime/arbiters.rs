//! The arbiters (threads with a loop of their own) that the actors of a node are spread over.

use std::hash::{DefaultHasher, Hash, Hasher};

use actix::{Arbiter, ArbiterHandle};

/// A fixed set of arbiters; the same name always gives the same one.
#[derive(Debug)]
pub struct Arbiters {
    arbiters: Vec<Arbiter>,
    /// Apart from the crowd: a flooded actor lets nobody else on its arbiter come to a turn.
    housekeeping: Arbiter,
}

impl Arbiters {
    /// Starts `count` arbiters, at least one, and one for housekeeping.
    #[must_use]
    pub fn start(count: usize) -> Self {
        Self { arbiters: (0..count.max(1)).map(|_| Arbiter::new()).collect(), housekeeping: Arbiter::new() }
    }

    /// The arbiter on which the actor `name` lives.
    #[must_use]
    pub fn of(&self, name: &str) -> ArbiterHandle {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let count = self.arbiters.len() as u64;
        let place = usize::try_from(hasher.finish() % count).unwrap_or(0);
        self.arbiters[place].handle()
    }

    /// The arbiter of the supervisor, the gate's keeper and the sweep.
    #[must_use]
    pub fn housekeeping(&self) -> ArbiterHandle {
        self.housekeeping.handle()
    }

    /// Ends every arbiter once what it is doing is done.
    pub fn stop(&self) {
        for arbiter in self.arbiters.iter().chain([&self.housekeeping]) {
            arbiter.stop();
        }
    }
}
