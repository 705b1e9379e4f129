//! The time until which this node may answer "sold out" without asking the engine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The trust of a node in its own gates.
///
/// "Sold out" is final for a member, but an operator may raise the total through another node. That node waits until every
/// other node has read the new total or has lost its trust. So a node without heartbeats must leave "sold out" to the
/// engine.
#[derive(Debug)]
pub struct Trust {
    created: Instant,
    /// Milliseconds after `created`.
    until_ms: AtomicU64,
}

impl Trust {
    /// For a single node.
    #[must_use]
    pub fn always() -> Self {
        Self { created: Instant::now(), until_ms: AtomicU64::new(u64::MAX) }
    }

    /// For a node of a cluster, before its first heartbeat.
    #[must_use]
    pub fn not_yet() -> Self {
        Self { created: Instant::now(), until_ms: AtomicU64::new(0) }
    }

    /// Extends the trust until `until`. Never shortens it.
    pub fn extend(&self, until: Instant) {
        let until = until.saturating_duration_since(self.created).as_millis();
        self.until_ms.fetch_max(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
    }

    #[must_use]
    pub fn holds(&self) -> bool {
        let until_ms = self.until_ms.load(Ordering::Acquire);
        until_ms == u64::MAX || self.created.elapsed() < Duration::from_millis(until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Trust};

    #[test]
    fn trust_ends_and_is_never_shortened() {
        assert!(Trust::always().holds());
        let trust = Trust::not_yet();
        assert!(!trust.holds());
        trust.extend(Instant::now() + Duration::from_secs(60));
        trust.extend(Instant::now());
        assert!(trust.holds());
        let expired = Trust::not_yet();
        expired.extend(expired.created);
        assert!(!expired.holds());
    }
}
