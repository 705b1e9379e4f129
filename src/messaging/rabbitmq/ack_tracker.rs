//! Maps the acknowledgements of single events to acknowledgements of whole messages.

use std::collections::{BTreeMap, BTreeSet};

use super::message::batch::BATCH_READ_EVENTS_MAX;
use crate::ports::DeliveryTag;

/// Low bits of a delivery tag: the event's index in its message. The high bits are the broker's tag of the message, which
/// leaves room for 2^54 messages on one channel.
const INDEX_BITS: u32 = 10;
const _: () = assert!(BATCH_READ_EVENTS_MAX == 1 << INDEX_BITS, "every event has a tag of its own");

/// The unacknowledged messages of one channel by the broker's tag, each with a value `T`.
#[derive(Debug)]
pub(super) struct AckTracker<T> {
    messages: BTreeMap<u64, Unacked<T>>,
}

#[derive(Debug)]
struct Unacked<T> {
    original: T,
    /// For each event whether it is in flight.
    open: Vec<bool>,
    open_count: usize,
}

/// The acknowledgements to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AckFrames {
    /// Acknowledges this message and all earlier ones in one frame.
    pub(super) through: Option<u64>,
    /// Messages that need a frame each.
    pub(super) single: Vec<u64>,
}

impl<T> AckTracker<T> {
    pub(super) fn new() -> Self {
        Self { messages: BTreeMap::new() }
    }

    /// Adds a message of `count` events, at least one, and returns a tag for each event.
    pub(super) fn track(
        &mut self,
        message: u64,
        count: usize,
        original: T,
    ) -> impl Iterator<Item = DeliveryTag> + use<T> {
        self.messages.insert(message, Unacked { original, open: vec![true; count], open_count: count });
        (0..count as u64).map(move |index| DeliveryTag(message << INDEX_BITS | index))
    }

    /// The value of the message and the event's index in it; `None` if the event is acknowledged already.
    pub(super) fn find(&self, tag: DeliveryTag) -> Option<(&T, usize)> {
        let (message, index) = split(tag);
        let unacked = self.messages.get(&message)?;
        unacked.open.get(index).is_some_and(|open| *open).then_some((&unacked.original, index))
    }

    /// Marks events as acknowledged and removes the messages without open events. Skips events that are acknowledged
    /// already, because the broker closes a channel on which a tag is acknowledged twice.
    pub(super) fn acknowledge(&mut self, tags: &[DeliveryTag]) -> AckFrames {
        let mut complete = BTreeSet::new();
        for tag in tags {
            let (message, index) = split(*tag);
            let Some(unacked) = self.messages.get_mut(&message) else { continue };
            let Some(open) = unacked.open.get_mut(index).filter(|open| **open) else { continue };
            *open = false;
            unacked.open_count -= 1;
            if unacked.open_count == 0 {
                complete.insert(message);
            }
        }
        let frames = frames(self.messages.keys(), &complete);
        for message in &complete {
            self.messages.remove(message);
        }
        frames
    }
}

/// The broker's tag of the message, and the event's index.
fn split(tag: DeliveryTag) -> (u64, usize) {
    let index = tag.0 & ((1 << INDEX_BITS) - 1);
    (tag.0 >> INDEX_BITS, usize::try_from(index).unwrap_or(usize::MAX))
}

/// Acknowledges the longest complete prefix of `unacked` in one frame, and the other complete messages one by one.
fn frames<'a>(unacked: impl Iterator<Item = &'a u64>, complete: &BTreeSet<u64>) -> AckFrames {
    // A cumulative frame covers no message that the client has buffered for `next`: those have larger tags.
    let through = unacked.zip(complete).take_while(|(first, tag)| first == tag).map(|(_, tag)| *tag).last();
    let single = complete.iter().copied().filter(|tag| through.is_none_or(|last| *tag > last)).collect();
    AckFrames { through, single }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::{AckFrames, AckTracker, DeliveryTag};

    #[test]
    fn a_whole_prefetch_is_one_frame() {
        let mut tracker = AckTracker::new();
        let mut tags: Vec<DeliveryTag> =
            [4, 5, 6].into_iter().flat_map(|tag| tracker.track(tag, 2, ())).collect();
        tags.reverse();
        assert_eq!(tracker.acknowledge(&tags), AckFrames { through: Some(6), single: vec![] });
    }

    #[test]
    fn a_message_is_acknowledged_with_its_last_event() {
        let mut tracker = AckTracker::new();
        let first: Vec<_> = tracker.track(1, 3, "first").collect();
        let second: Vec<_> = tracker.track(2, 1, "second").collect();
        let nothing = || AckFrames { through: None, single: vec![] };
        assert_eq!(tracker.acknowledge(&[first[0], first[2]]), nothing());
        assert_eq!(tracker.acknowledge(&[first[0]]), nothing(), "acknowledged twice");
        assert_eq!((tracker.find(first[0]), tracker.find(first[1])), (None, Some((&"first", 1))));
        assert_eq!(tracker.acknowledge(&second), AckFrames { through: None, single: vec![2] });
        assert_eq!(tracker.acknowledge(&[first[1]]), AckFrames { through: Some(1), single: vec![] });
        assert_eq!(tracker.acknowledge(&[first[1], second[0], DeliveryTag(9)]), nothing());
    }

    /// Applies the frames as a broker does, which closes the channel on an acknowledgement of an unknown tag.
    fn apply(unacked: &mut BTreeSet<u64>, frames: AckFrames) {
        if let Some(last) = frames.through {
            assert!(unacked.contains(&last), "acknowledged twice: {last}");
            unacked.retain(|tag| *tag > last);
        }
        for tag in frames.single {
            assert!(unacked.remove(&tag), "acknowledged twice: {tag}");
        }
    }

    proptest! {
        #[test]
        fn exactly_the_complete_messages_are_acknowledged(
            counts in prop::collection::vec(1usize..6, 0..20),
            calls in prop::collection::vec(prop::collection::vec((0u64..24, 0u64..7), 0..30), 0..8),
        ) {
            let (mut tracker, mut left) = (AckTracker::new(), BTreeMap::new());
            for (message, count) in (1u64..).zip(counts) {
                let tags: BTreeSet<u64> = tracker.track(message, count, ()).map(|tag| tag.0).collect();
                prop_assert_eq!(tags.len(), count);
                left.insert(message, tags);
            }
            let mut unacked: BTreeSet<u64> = left.keys().copied().collect();
            for call in calls {
                let tags: Vec<_> = call.iter().map(|(message, index)| DeliveryTag(message << 10 | index)).collect();
                apply(&mut unacked, tracker.acknowledge(&tags));
                for tag in &tags {
                    left.get_mut(&(tag.0 >> 10)).map(|open| open.remove(&tag.0));
                }
                left.retain(|_, open| !open.is_empty());
                prop_assert_eq!(&unacked, &left.keys().copied().collect());
                for tag in tags {
                    prop_assert!(tracker.find(tag).is_none());
                }
            }
        }
    }
}
