//! A small random number generator (xorshift64*): the same seed gives the same numbers, and there is no crate to keep.

use std::time::Duration;

/// Numbers that look random.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        // Zero would stay zero for ever.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number from 0 to `end`, without `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // The upper half: the lower bits of such a generator are its weakest.
        usize::try_from(self.next_u64() >> 32).unwrap_or(0).checked_rem(end).unwrap_or(0)
    }

    /// Whether something happens that does so `chance_percent` times in a hundred.
    pub(crate) fn chance_percent(&mut self, chance_percent: usize) -> bool {
        self.below(100) < chance_percent
    }

    /// A time between the two.
    pub(crate) fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let span = longest.saturating_sub(shortest);
        shortest + span.mul_f64((self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// One of them; `None` if there is none.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// Puts them in another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_dice_do_not_roll_alike() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            [rng.next_u64(), rng.next_u64(), rng.next_u64()]
        };
        assert_ne!(draw(0), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(draw(7), draw(7));
    }

    #[test]
    fn every_number_of_a_range_comes_and_no_other() {
        let mut rng = Rng::new(3);
        let mut seen = [0; 5];
        for _ in 0..1_000 {
            seen[rng.below(5)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        let (shortest, longest) = (Duration::from_millis(10), Duration::from_millis(20));
        for _ in 0..100 {
            assert!((shortest..=longest).contains(&rng.between(shortest, longest)));
        }
    }

    #[test]
    fn a_shuffle_keeps_all_and_changes_the_order() {
        let mut cards: Vec<u32> = (0..50).collect();
        Rng::new(4).shuffle(&mut cards);
        assert_ne!(cards, (0..50).collect::<Vec<_>>());
        cards.sort_unstable();
        assert_eq!(cards, (0..50).collect::<Vec<_>>());
    }
}
