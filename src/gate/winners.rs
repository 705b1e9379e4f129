//! The members who may hold a coupon: a small set without false negatives.

use std::hash::{BuildHasher, RandomState};

use crate::domain::MemberId;

/// The sorted hashes of a coupon's holders: eight bytes each, so that a million holders take 8 MB.
///
/// A member with an absent hash holds no coupon. A member with a present hash probably does, so the engine must decide.
/// The hash is keyed at random, so that clients cannot choose ids that collide.
#[derive(Debug, Default)]
pub struct WinnerFilter {
    keys: RandomState,
    hashes: Box<[u64]>,
}

impl WinnerFilter {
    /// A filter of these members, which may repeat.
    pub fn of<'a>(members: impl Iterator<Item = &'a MemberId>) -> Self {
        let keys = RandomState::new();
        let mut hashes: Vec<u64> = members.map(|member| keys.hash_one(member)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self { keys, hashes: hashes.into() }
    }

    /// `false` is certain.
    #[must_use]
    pub fn may_hold(&self, member: &MemberId) -> bool {
        self.hashes.binary_search(&self.keys.hash_one(member)).is_ok()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{MemberId, WinnerFilter};

    #[test]
    fn every_holder_is_found_and_other_members_are_not() {
        let ids = |prefix: &str| -> Vec<MemberId> {
            (0..5_000).map(|n| MemberId::parse(&format!("{prefix}{n}")).unwrap()).collect()
        };
        let winners = ids("winner-");
        let filter = WinnerFilter::of(winners.iter().chain(&winners));
        assert_eq!(filter.len(), 5_000);
        assert!(winners.iter().all(|winner| filter.may_hold(winner)));
        // 5,000 other members against 5,000 of 2^64 values: a single hit would be a broken hash.
        assert!(!ids("stranger-").iter().any(|stranger| filter.may_hold(stranger)));
    }
}
