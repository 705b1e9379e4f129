//! Which actors stay down: written by the supervisor, read by whoever asks whether the node is ready.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The names of the actors that died too often; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct FailedActors(Arc<Mutex<BTreeSet<String>>>);

impl FailedActors {
    /// Their names, in order; none on a healthy node.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn add(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// Whether it was there.
    pub(super) fn remove(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }
}
