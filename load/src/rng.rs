//! A small random number generator (xorshift64*). The same seed gives the same numbers on every version,
//! which no crate promises.

use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        // The state must not be zero, because zero would remain zero.
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
        // Takes the upper half: the lower bits of such a generator are its weakest.
        usize::try_from(self.next_u64() >> 32).unwrap_or(0).checked_rem(end).unwrap_or(0)
    }

    /// True in `chance_percent` of a hundred cases.
    pub(crate) fn chance_percent(&mut self, chance_percent: usize) -> bool {
        self.below(100) < chance_percent
    }

    pub(crate) fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let span = longest.saturating_sub(shortest);
        shortest + span.mul_f64((self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// `None` if the slice is empty.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

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
    fn a_seed_determines_the_numbers() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            [rng.next_u64(), rng.next_u64(), rng.next_u64()]
        };
        assert_ne!(draw(0), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(draw(7), draw(7));
    }

    #[test]
    fn numbers_cover_the_range_and_stay_inside() {
        let mut rng = Rng::new(3);
        let mut seen = [0; 5];
        for _ in 0..1_000 {
            seen[rng.below(5)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        let shortest = Duration::from_millis(10);
        let longest = Duration::from_millis(20);
        for _ in 0..100 {
            assert!((shortest..=longest).contains(&rng.between(shortest, longest)));
        }
    }

    #[test]
    fn a_shuffle_keeps_all_items_and_changes_their_order() {
        let mut cards: Vec<u32> = (0..50).collect();
        Rng::new(4).shuffle(&mut cards);
        assert_ne!(cards, (0..50).collect::<Vec<_>>());
        cards.sort_unstable();
        assert_eq!(cards, (0..50).collect::<Vec<_>>());
    }
}
