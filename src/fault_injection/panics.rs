//! Places where a test can make an actor panic. Without the feature `test-panics` they are nothing.

#[cfg(feature = "test-panics")]
mod armed {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex, PoisonError};

    static ARMED: LazyLock<Mutex<HashMap<String, u32>>> = LazyLock::new(Mutex::default);

    /// Makes the next `times` visits of the place `name` panic.
    pub fn arm(name: &str, times: u32) {
        ARMED.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), times);
    }

    /// How many visits of the place `name` are still going to panic.
    #[must_use]
    pub fn left(name: &str) -> u32 {
        ARMED.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied().unwrap_or(0)
    }

    /// Passes the place `place` of an actor of `kind`; panics if a test has armed it.
    pub fn visit(kind: &str, place: &str) {
        let name = format!("{kind}.{place}");
        let hit = {
            let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
            match armed.get_mut(&name) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    true
                }
                _ => false,
            }
        };
        assert!(!hit, "on purpose at {name}");
    }
}

#[cfg(feature = "test-panics")]
pub use armed::visit;
#[cfg(feature = "test-panics")]
pub use armed::{arm, left};

/// Passes a place that a test may have armed.
#[cfg(not(feature = "test-panics"))]
pub fn visit(_kind: &str, _place: &str) {}
