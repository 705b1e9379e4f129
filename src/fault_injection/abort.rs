//! Abort points: between two steps without a common transaction, the process can end as in a power failure. Without the
//! feature `test-panics` they are empty.
//!
//! `OPENRUN_TEST_ABORT=point:n` aborts at the n-th visit of a point, counted from 1.

/// First step of a node; shows whether a binary has abort points at all.
pub const STARTED: &str = "started";
/// The engine has decided; no request is answered yet.
pub const ADMITTED: &str = "admitted";
/// A publish batch is sent; the broker has not confirmed it.
pub const PUBLISHED: &str = "published";
/// The broker has confirmed a publish batch; the confirm is not recorded.
pub const CONFIRMED: &str = "confirmed";
/// The database has committed a batch; it is not acknowledged to the broker.
pub const COMMITTED: &str = "committed";
/// A message is in the dead-letter queue, and still in its own queue.
pub const BURIED: &str = "buried";
/// Dead letters are in their queue again, and still in the dead-letter queue.
pub const REPLAYED: &str = "replayed";

#[cfg(feature = "test-panics")]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    const SETTING: &str = "OPENRUN_TEST_ABORT";

    /// The armed point, and the visits left until the abort.
    static ARMED: LazyLock<Option<(String, AtomicU32)>> = LazyLock::new(|| {
        let setting = std::env::var(SETTING).ok()?;
        let (point, visits) = setting.rsplit_once(':')?;
        Some((point.to_owned(), AtomicU32::new(visits.parse().ok()?)))
    });

    /// Aborts the process at the armed visit of `point`: no value is dropped and no buffer is flushed.
    pub fn visit(point: &str) {
        let Some((armed, left)) = &*ARMED else { return };
        if armed == point && left.fetch_sub(1, Ordering::AcqRel) == 1 {
            std::process::abort();
        }
    }
}

#[cfg(feature = "test-panics")]
pub use armed::visit;

#[cfg(not(feature = "test-panics"))]
pub fn visit(_point: &str) {}
