//! Panic points: a test can make an actor panic at them. Without the feature `test-panics` they are empty.

#[cfg(feature = "test-panics")]
mod armed {
    use std::collections::HashMap;
    use std::sync::LazyLock;

    use crate::sync::Locked;

    /// The visits of each point, named `kind.point`, that are still going to panic.
    static ARMED: LazyLock<Locked<HashMap<String, u32>>> = LazyLock::new(Locked::default);

    /// Makes the next `times` visits of the point `name` panic.
    pub fn arm(name: &str, times: u32) {
        ARMED.lock().insert(name.to_owned(), times);
    }

    /// The visits of the point `name` that are still going to panic.
    #[must_use]
    pub fn left(name: &str) -> u32 {
        ARMED.lock().get(name).copied().unwrap_or(0)
    }

    /// Panics if a test has armed `point` of an actor of `kind`.
    pub fn visit(kind: &str, point: &str) {
        let name = format!("{kind}.{point}");
        let is_hit = match ARMED.lock().get_mut(&name) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        };
        assert!(!is_hit, "on purpose at {name}");
    }
}

#[cfg(feature = "test-panics")]
pub use armed::visit;
#[cfg(feature = "test-panics")]
pub use armed::{arm, left};

#[cfg(not(feature = "test-panics"))]
pub fn visit(_kind: &str, _point: &str) {}
