//! Storage of buckets with a fixed number of slots, so that a flood of new clients takes no more memory.

use governor::nanos::Nanos;
use governor::state::StateStore;

use crate::sync::Locked;

/// A power of two.
const SETS: usize = 8_192;
/// A key belongs to one set; eight slots are one or two cache lines.
const SLOTS_PER_SET: usize = 8;

/// One bucket.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: u64,
    /// The time at which the bucket is full again, in nanoseconds since the start; 0 in a slot never used.
    full_at_ns: u64,
}

/// The buckets of 65,536 keys in about 1 MiB. A full bucket holds no information, so a new key takes over the slot of its
/// set that is full first. A bucket is lost early, and its key gets tokens too many, only if more than eight keys of a
/// set are in use at the same time; in a flood that most likely hits a key of the flood.
#[derive(Debug)]
pub(super) struct BucketTable {
    sets: Box<[Locked<[Slot; SLOTS_PER_SET]>]>,
}

impl Default for BucketTable {
    fn default() -> Self {
        Self { sets: (0..SETS).map(|_| Locked::default()).collect() }
    }
}

impl StateStore for BucketTable {
    /// A keyed hash of member and address.
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let set = (*key % SETS as u64) as usize;
        let mut slots = self.sets[set].lock();
        let mut own = None;
        let mut first_full = 0;
        for (index, slot) in slots.iter().enumerate() {
            if slot.key == *key && slot.full_at_ns != 0 {
                own = Some(index);
                break;
            }
            if slot.full_at_ns < slots[first_full].full_at_ns {
                first_full = index;
            }
        }
        let current = own.map(|index| Nanos::new(slots[index].full_at_ns));
        let (decision, full_at) = decide(current)?;
        slots[own.unwrap_or(first_full)] = Slot { key: *key, full_at_ns: full_at.into() };
        Ok(decision)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::hash::{BuildHasher as _, RandomState};

    use super::{BucketTable, Nanos, SETS, SLOTS_PER_SET, StateStore as _};

    /// Sets the time at which the bucket of `key` is full, and returns the previous one.
    fn replace(table: &BucketTable, key: u64, full_at_ns: u64) -> Option<u64> {
        let previous = table.measure_and_replace(&key, |current| {
            Ok::<_, Infallible>((current.map(u64::from), Nanos::new(full_at_ns)))
        });
        previous.unwrap_or_else(|never| match never {})
    }

    #[test]
    fn each_key_has_its_own_bucket() {
        let table = BucketTable::default();
        let in_one_set = |number: u64| 7 + number * SETS as u64;
        for number in 0..SLOTS_PER_SET as u64 {
            assert_eq!(replace(&table, in_one_set(number), 100 + number), None);
        }
        for number in 0..SLOTS_PER_SET as u64 {
            assert_eq!(replace(&table, in_one_set(number), 200 + number), Some(100 + number));
        }
        assert_eq!(replace(&table, 8, 1), None);
    }

    #[test]
    fn a_new_key_takes_the_slot_that_is_full_first() {
        let table = BucketTable::default();
        let in_one_set = |number: u64| number * SETS as u64;
        for number in 0..SLOTS_PER_SET as u64 {
            replace(&table, in_one_set(number), if number == 3 { 50 } else { 100 });
        }
        assert_eq!(replace(&table, in_one_set(99), 100), None);
        assert_eq!(replace(&table, in_one_set(3), 100), None, "its slot was taken over");
        let kept = |number: &u64| replace(&table, in_one_set(*number), 300).is_some();
        assert!((4..SLOTS_PER_SET as u64).filter(kept).count() >= SLOTS_PER_SET - 5);
    }

    #[test]
    fn a_refused_key_takes_no_slot() {
        let table = BucketTable::default();
        let refused = table.measure_and_replace(&1, |_| Err::<((), Nanos), _>("no"));
        assert_eq!(refused, Err("no"));
        assert_eq!(replace(&table, 1, 5), None);
    }

    /// After one request each of a million other keys, the buckets that are far from full are still stored.
    #[test]
    fn a_flood_takes_no_memory_and_evicts_no_bucket_in_use() {
        let table = BucketTable::default();
        let (hashing, size) = (RandomState::new(), table.sets.len());
        let hammering: Vec<u64> = (0..100).map(|number| hashing.hash_one(("hammering", number))).collect();
        let far = 1_000_000_000_000;
        for key in &hammering {
            replace(&table, *key, far);
        }
        for number in 0..1_000_000_u64 {
            replace(&table, hashing.hash_one(number), number + 1);
        }
        assert_eq!(table.sets.len() * SLOTS_PER_SET, size * SLOTS_PER_SET);
        assert_eq!(size_of_val(&*table.sets), SETS * (SLOTS_PER_SET * 16 + 8), "about a mebibyte");
        let stored = hammering.iter().filter(|key| replace(&table, **key, far) == Some(far)).count();
        assert_eq!(stored, hammering.len());
    }
}
