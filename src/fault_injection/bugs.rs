//! Bugs that a test can plant in a node, of kinds that other systems have shipped, to see whether the fault harness finds
//! them. Without the feature `planted-bugs` the checks below are constants.
//!
//! `OPENRUN_PLANTED_BUG=name` plants one.

/// The outbox is trimmed when the broker has confirmed an entry, instead of when the database holds it.
pub const TRIM_ON_CONFIRM: &str = "trim-on-confirm";
/// A decision of the engine is taken back when the engine's answer does not come in time.
pub const STOCK_BACK_ON_TIMEOUT: &str = "stock-back-on-timeout";
/// Deliveries are acknowledged before they are written.
pub const ACK_BEFORE_COMMIT: &str = "ack-before-commit";
/// Rows that the database skipped count as repetitions, without a comparison.
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

    #[must_use]
    pub fn is(name: &str) -> bool {
        CHOSEN.as_deref() == Some(name)
    }

    /// The value of the variable, if no bug has that name.
    #[must_use]
    pub fn unknown() -> Option<&'static str> {
        CHOSEN.as_deref().filter(|name| !ALL.contains(name))
    }
}

#[cfg(feature = "planted-bugs")]
pub use chosen::{is, unknown};

#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn is(_name: &str) -> bool {
    false
}

#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn unknown() -> Option<&'static str> {
    None
}
