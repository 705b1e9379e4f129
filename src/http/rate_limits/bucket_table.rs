//! Where the state of buckets is kept: a fixed number of places, so that no flood of new clients takes more memory.

use std::sync::{Mutex, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;

/// Sets of places; a power of two.
const SETS: usize = 8_192;
/// Places in a set. A key belongs to one set, and looking through eight places is one or two lines of cache.
const PLACES: usize = 8;

/// One bucket.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: u64,
    /// When it is full again, in nanoseconds since the start; 0 if nobody had the place yet.
    full_at_ns: u64,
}

/// The buckets of 65,536 keys, 1 MiB. A bucket that is full again is as good as forgotten, so a newcomer gets the place
/// of the one in their set that is full first. Only where more than eight in a set are in use at the same moment is one of
/// them forgotten early, and gets tokens that it should not have: that is more likely than not to hit whoever floods.
#[derive(Debug)]
pub(super) struct BucketTable {
    sets: Box<[Mutex<[Slot; PLACES]>]>,
}

impl Default for BucketTable {
    fn default() -> Self {
        Self { sets: (0..SETS).map(|_| Mutex::default()).collect() }
    }
}

impl StateStore for BucketTable {
    /// A keyed hash of who it is.
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let set = (*key % SETS as u64) as usize;
        // Nothing here panics, and half a change is none.
        let mut places = self.sets[set].lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = None;
        let mut first_full = 0;
        for (index, place) in places.iter().enumerate() {
            if place.key == *key && place.full_at_ns != 0 {
                own = Some(index);
                break;
            }
            if place.full_at_ns < places[first_full].full_at_ns {
                first_full = index;
            }
        }
        let known = own.map(|index| Nanos::new(places[index].full_at_ns));
        let (told, full_at) = decide(known)?;
        places[own.unwrap_or(first_full)] = Slot { key: *key, full_at_ns: full_at.into() };
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::hash::{BuildHasher as _, RandomState};

    use super::{BucketTable, Nanos, PLACES, SETS, StateStore as _};

    /// What is known of `key`, which is then noted as full at `full_at_ns`.
    fn note(places: &BucketTable, key: u64, full_at_ns: u64) -> Option<u64> {
        let noted = places.measure_and_replace(&key, |known| {
            Ok::<_, Infallible>((known.map(u64::from), Nanos::new(full_at_ns)))
        });
        noted.unwrap_or_else(|never| match never {})
    }

    #[test]
    fn each_key_has_its_own() {
        let places = BucketTable::default();
        let in_one_set = |number: u64| 7 + number * SETS as u64;
        for number in 0..PLACES as u64 {
            assert_eq!(note(&places, in_one_set(number), 100 + number), None);
        }
        for number in 0..PLACES as u64 {
            assert_eq!(note(&places, in_one_set(number), 200 + number), Some(100 + number));
        }
        assert_eq!(note(&places, 8, 1), None);
    }

    #[test]
    fn a_newcomer_gets_the_place_of_whoever_is_full_first() {
        let places = BucketTable::default();
        let in_one_set = |number: u64| number * SETS as u64;
        for number in 0..PLACES as u64 {
            note(&places, in_one_set(number), if number == 3 { 50 } else { 100 });
        }
        assert_eq!(note(&places, in_one_set(99), 100), None);
        assert_eq!(note(&places, in_one_set(3), 100), None, "it was forgotten");
        let kept = |number: &u64| note(&places, in_one_set(*number), 300).is_some();
        assert!((4..PLACES as u64).filter(kept).count() >= PLACES - 5);
    }

    #[test]
    fn a_key_that_is_refused_takes_no_place() {
        let places = BucketTable::default();
        let refused = places.measure_and_replace(&1, |_| Err::<((), Nanos), _>("no"));
        assert_eq!(refused, Err("no"));
        assert_eq!(note(&places, 1, 5), None);
    }

    /// A million strangers, each asking once, pass through; whoever is far from full again is still known afterwards.
    #[test]
    fn a_flood_takes_no_memory_and_washes_nobody_away() {
        let places = BucketTable::default();
        let (hashing, size) = (RandomState::new(), places.sets.len());
        let hammering: Vec<u64> = (0..100).map(|number| hashing.hash_one(("hammering", number))).collect();
        let far = 1_000_000_000_000;
        for key in &hammering {
            note(&places, *key, far);
        }
        for number in 0..1_000_000_u64 {
            note(&places, hashing.hash_one(number), number + 1);
        }
        assert_eq!(places.sets.len() * PLACES, size * PLACES);
        assert_eq!(size_of_val(&*places.sets), SETS * (PLACES * 16 + 8), "about a mebibyte");
        let known = hammering.iter().filter(|key| note(&places, **key, far) == Some(far)).count();
        assert_eq!(known, hammering.len());
    }
}
