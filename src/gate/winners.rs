//! Who may hold a coupon: small, without false negatives.

use std::hash::{BuildHasher, RandomState};

use crate::domain::MemberId;

/// The hashes of those who hold a coupon, sorted: eight bytes a winner, so that a million of them fit in 8 MB.
///
/// A member whose hash is absent holds none. One whose hash is present probably does, and is to be asked about. The
/// hash is keyed at random, so that nobody can choose ids that collide.
#[derive(Debug, Default)]
pub struct WinnerFilter {
    keys: RandomState,
    hashes: Box<[u64]>,
}

impl WinnerFilter {
    /// A filter that knows these members; one may come more than once.
    pub fn of<'a>(members: impl Iterator<Item = &'a MemberId>) -> Self {
        let keys = RandomState::new();
        let mut hashes: Vec<u64> = members.map(|member| keys.hash_one(member)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self { keys, hashes: hashes.into() }
    }

    /// Whether `member` may hold a coupon; `false` is certain.
    #[must_use]
    pub fn may_hold(&self, member: &MemberId) -> bool {
        self.hashes.binary_search(&self.keys.hash_one(member)).is_ok()
    }

    /// How many members it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether it knows nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{MemberId, WinnerFilter};

    #[test]
    fn every_winner_is_known_and_strangers_are_not() {
        let ids = |prefix: &str| -> Vec<MemberId> {
            (0..5_000).map(|n| MemberId::parse(&format!("{prefix}{n}")).unwrap()).collect()
        };
        let winners = ids("winner-");
        let filter = WinnerFilter::of(winners.iter().chain(&winners));
        assert_eq!(filter.len(), 5_000);
        assert!(winners.iter().all(|winner| filter.may_hold(winner)));
        // Five thousand strangers against 5,000 of 2^64 values: a single hit would be a broken hash.
        assert!(!ids("stranger-").iter().any(|stranger| filter.may_hold(stranger)));
    }
}
