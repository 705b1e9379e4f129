//! For how long this node may say "sold out" without asking anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Until when what this node knows of the sale is certain to be so.
///
/// "Sold out" is final for a member, and yet an operator may raise the total through another node. That node waits until
/// every other one has heard of it or is past this moment; so a node that hears nothing must let the engine say no.
#[derive(Debug)]
pub struct Trust {
    begun: Instant,
    /// Milliseconds after `begun`.
    until_ms: AtomicU64,
}

impl Trust {
    /// For a node that has no others beside it.
    #[must_use]
    pub fn always() -> Self {
        Self { begun: Instant::now(), until_ms: AtomicU64::new(u64::MAX) }
    }

    /// Nothing is certain yet.
    #[must_use]
    pub fn not_yet() -> Self {
        Self { begun: Instant::now(), until_ms: AtomicU64::new(0) }
    }

    /// It is certain until then, if it was not for longer.
    pub fn extend(&self, until: Instant) {
        let until = until.saturating_duration_since(self.begun).as_millis();
        self.until_ms.fetch_max(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Whether it is certain now.
    #[must_use]
    pub fn holds(&self) -> bool {
        let until_ms = self.until_ms.load(Ordering::Acquire);
        until_ms == u64::MAX || self.begun.elapsed() < Duration::from_millis(until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Trust};

    #[test]
    fn it_ends_and_is_never_cut_short() {
        assert!(Trust::always().holds());
        let trust = Trust::not_yet();
        assert!(!trust.holds());
        trust.extend(Instant::now() + Duration::from_secs(60));
        trust.extend(Instant::now());
        assert!(trust.holds());
        let over = Trust::not_yet();
        over.extend(over.begun);
        assert!(!over.holds());
    }
}
