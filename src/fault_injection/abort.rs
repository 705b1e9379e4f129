//! Places at which a node can be made to die as if its power had failed. Without the feature `test-panics` they are
//! nothing.
//!
//! `OPENRUN_TEST_ABORT=place:nth` says where, and at which visit, from 1. The places are those between two steps that
//! no transaction holds together.

/// Before anything else, to tell whether a binary has these places at all.
pub const STARTED: &str = "started";
/// The engine has decided, and nobody has been told.
pub const ADMITTED: &str = "admitted";
/// A window is on its way to the broker, which has not confirmed it.
pub const PUBLISHED: &str = "published";
/// The broker has confirmed a window, and nobody has noted it.
pub const CONFIRMED: &str = "confirmed";
/// The database has committed a batch, and the broker does not know.
pub const COMMITTED: &str = "committed";
/// A message lies with the dead letters, and is still in its own queue.
pub const BURIED: &str = "buried";
/// Dead letters are in the queue again, and still dead.
pub const REPLAYED: &str = "replayed";

#[cfg(feature = "test-panics")]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    const SETTING: &str = "OPENRUN_TEST_ABORT";

    /// The place, and how many visits are left until it is the one.
    static ARMED: LazyLock<Option<(String, AtomicU32)>> = LazyLock::new(|| {
        let setting = std::env::var(SETTING).ok()?;
        let (place, nth) = setting.rsplit_once(':')?;
        Some((place.to_owned(), AtomicU32::new(nth.parse().ok()?)))
    });

    /// Passes `place`; the visit that was named does not return, and nothing is dropped or flushed.
    pub fn visit(place: &str) {
        let Some((armed, left)) = &*ARMED else { return };
        if armed == place && left.fetch_sub(1, Ordering::AcqRel) == 1 {
            std::process::abort();
        }
    }
}

#[cfg(feature = "test-panics")]
pub use armed::visit;

/// Passes a place that a test may have armed.
#[cfg(not(feature = "test-panics"))]
pub fn visit(_place: &str) {}
