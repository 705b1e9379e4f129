//! A mutex for values that a panic cannot leave half changed.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value behind a mutex. A panic of another holder does not poison it: every change of such a value is one step.
#[derive(Debug, Default)]
pub struct Locked<T>(Mutex<T>);

impl<T> Locked<T> {
    /// Puts `value` behind a mutex.
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits for the mutex and gives access to the value. Must not be held across an await.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
