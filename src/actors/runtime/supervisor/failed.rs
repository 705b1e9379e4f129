//! The actors that stay down: written by the supervisor, read by the readiness check.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::sync::Locked;

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct FailedActors(Arc<Locked<BTreeSet<String>>>);

impl FailedActors {
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.lock().iter().cloned().collect()
    }

    pub(super) fn add(&self, name: &str) {
        self.0.lock().insert(name.to_owned());
    }

    /// Returns whether the actor stayed down until now.
    pub(super) fn remove(&self, name: &str) -> bool {
        self.0.lock().remove(name)
    }
}
