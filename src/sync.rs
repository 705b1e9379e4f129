//! A mutex without poisoning, for values whose every change is one step.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex that a panic does not poison: a panic cannot leave such a value half changed.
#[derive(Debug, Default)]
pub struct Locked<T>(Mutex<T>);

impl<T> Locked<T> {
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Locks the mutex. The guard must not be held across an await.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
