//! The arbiters (threads with a loop of their own) that the actors of a node are spread over.

use std::hash::{DefaultHasher, Hash, Hasher};

use actix::{Arbiter, ArbiterHandle};

/// A fixed set of arbiters; the same name always gives the same one.
#[derive(Debug)]
pub struct Shards {
    arbiters: Vec<Arbiter>,
}

impl Shards {
    /// Starts `count` arbiters, at least one.
    #[must_use]
    pub fn start(count: usize) -> Self {
        Self { arbiters: (0..count.max(1)).map(|_| Arbiter::new()).collect() }
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

    /// Ends every arbiter once what it is doing is done.
    pub fn stop(&self) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}
