//! Bugs that a test can plant in a node, each of a kind that others have shipped, to see that the fault harness finds
//! it. Without the feature `bugs-bugs` there are none, and the questions below cost nothing.
//!
//! `OPENRUN_PLANTED_BUG=name` plants one.

/// The outbox is trimmed as soon as the broker has confirmed, instead of when the database holds it.
pub const TRIM_ON_CONFIRM: &str = "trim-on-confirm";
/// What the engine decided is taken back when its answer does not come in time.
pub const STOCK_BACK_ON_TIMEOUT: &str = "stock-back-on-timeout";
/// Deliveries are acknowledged before they are written.
pub const ACK_BEFORE_COMMIT: &str = "ack-before-commit";
/// Rows that the database skipped are taken for repetitions without a look.
pub const CONFLICT_UNCLASSIFIED: &str = "conflict-unclassified";

#[cfg(feature = "planted-bugs")]
mod chosen {
    use std::sync::LazyLock;

    const SETTING: &str = "OPENRUN_PLANTED_BUG";
    const ALL: [&str; 4] = [
        super::TRIM_ON_CONFIRM,
        super::STOCK_BACK_ON_TIMEOUT,
        super::ACK_BEFORE_COMMIT,
        super::CONFLICT_UNCLASSIFIED,
    ];

    static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var(SETTING).ok());

    /// Whether this bug is planted.
    #[must_use]
    pub fn is(name: &str) -> bool {
        CHOSEN.as_deref() == Some(name)
    }

    /// The name that was asked for, if there is no such bug.
    #[must_use]
    pub fn unknown() -> Option<&'static str> {
        CHOSEN.as_deref().filter(|name| !ALL.contains(name))
    }
}

#[cfg(feature = "planted-bugs")]
pub use chosen::{is, unknown};

/// Whether this bug is planted: never.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn is(_name: &str) -> bool {
    false
}

/// The name that was asked for, if there is no such bug: nothing can be asked for.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn unknown() -> Option<&'static str> {
    None
}
