//! Which parts of which messages are in our hands: a message may be acknowledged when nothing of it is left to answer.

use std::collections::{BTreeMap, BTreeSet};

use super::message::batch::BATCH_READ_EVENTS_MAX;
use crate::ports::DeliveryTag;

/// The bits of a tag that say which part it is; the others are the broker's tag of the message. After 2^54 messages on one
/// channel they would not be enough.
const PLACE_BITS: u32 = 10;
const _: () = assert!(BATCH_READ_EVENTS_MAX == 1 << PLACE_BITS, "every part has a tag of its own");

/// Messages of one channel of which something is unanswered, each with what is kept of it.
#[derive(Debug)]
pub(super) struct Parts<T> {
    messages: BTreeMap<u64, Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    original: T,
    /// For each part whether it is unanswered.
    open: Vec<bool>,
    /// How many are.
    left: usize,
}

/// What to tell the broker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frames {
    /// The message up to which all can be acknowledged in one frame.
    pub(super) together: Option<u64>,
    /// The messages that need a frame each.
    pub(super) alone: Vec<u64>,
}

impl<T> Parts<T> {
    /// Nothing in hand.
    pub(super) fn none() -> Self {
        Self { messages: BTreeMap::new() }
    }

    /// Takes a message of `count` parts in hand; gives a tag for each. There must be at least one.
    pub(super) fn take(
        &mut self,
        message: u64,
        count: usize,
        original: T,
    ) -> impl Iterator<Item = DeliveryTag> + use<T> {
        self.messages.insert(message, Held { original, open: vec![true; count], left: count });
        (0..count as u64).map(move |place| DeliveryTag(message << PLACE_BITS | place))
    }

    /// What is kept of the message, and which part of it this is; `None` if it has been answered.
    pub(super) fn find(&self, tag: DeliveryTag) -> Option<(&T, usize)> {
        let (message, place) = apart(tag);
        let held = self.messages.get(&message)?;
        held.open.get(place).is_some_and(|open| *open).then_some((&held.original, place))
    }

    /// Counts these parts as answered and lets go of the messages of which nothing is left. What is not unanswered is
    /// passed over: the broker closes a channel on which something is answered twice.
    pub(super) fn answer(&mut self, tags: &[DeliveryTag]) -> Frames {
        let mut whole = BTreeSet::new();
        for tag in tags {
            let (message, place) = apart(*tag);
            let Some(held) = self.messages.get_mut(&message) else { continue };
            let Some(open) = held.open.get_mut(place).filter(|open| **open) else { continue };
            *open = false;
            held.left -= 1;
            if held.left == 0 {
                whole.insert(message);
            }
        }
        let frames = frames(self.messages.keys(), &whole);
        for message in &whole {
            self.messages.remove(message);
        }
        frames
    }
}

/// The broker's tag of the message, and the place of the part.
fn apart(tag: DeliveryTag) -> (u64, usize) {
    let place = tag.0 & ((1 << PLACE_BITS) - 1);
    (tag.0 >> PLACE_BITS, usize::try_from(place).unwrap_or(usize::MAX))
}

/// How to acknowledge those of the messages in hand that are whole.
fn frames<'a>(in_hand: impl Iterator<Item = &'a u64>, whole: &BTreeSet<u64>) -> Frames {
    // Messages that wait in the client for `next` have larger tags than all that were handed out.
    let together = in_hand.zip(whole).take_while(|(first, tag)| first == tag).map(|(_, tag)| *tag).last();
    let alone = whole.iter().copied().filter(|tag| together.is_none_or(|last| *tag > last)).collect();
    Frames { together, alone }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::{DeliveryTag, Frames, Parts};

    #[test]
    fn a_whole_prefetch_is_one_frame() {
        let mut parts = Parts::none();
        let mut tags: Vec<DeliveryTag> =
            [4, 5, 6].into_iter().flat_map(|tag| parts.take(tag, 2, ())).collect();
        tags.reverse();
        assert_eq!(parts.answer(&tags), Frames { together: Some(6), alone: vec![] });
    }

    #[test]
    fn a_message_is_acknowledged_with_its_last_part() {
        let mut parts = Parts::none();
        let first: Vec<_> = parts.take(1, 3, "first").collect();
        let second: Vec<_> = parts.take(2, 1, "second").collect();
        let nothing = || Frames { together: None, alone: vec![] };
        assert_eq!(parts.answer(&[first[0], first[2]]), nothing());
        assert_eq!(parts.answer(&[first[0]]), nothing(), "it has been answered");
        assert_eq!((parts.find(first[0]), parts.find(first[1])), (None, Some((&"first", 1))));
        assert_eq!(parts.answer(&second), Frames { together: None, alone: vec![2] });
        assert_eq!(parts.answer(&[first[1]]), Frames { together: Some(1), alone: vec![] });
        assert_eq!(parts.answer(&[first[1], second[0], DeliveryTag(9)]), nothing());
    }

    /// A broker's view of a channel: it is closed when anything is acknowledged that is not unacknowledged.
    fn acknowledge(unanswered: &mut BTreeSet<u64>, frames: Frames) {
        if let Some(last) = frames.together {
            assert!(unanswered.contains(&last), "twice: {last}");
            unanswered.retain(|tag| *tag > last);
        }
        for tag in frames.alone {
            assert!(unanswered.remove(&tag), "twice: {tag}");
        }
    }

    proptest! {
        #[test]
        fn exactly_the_messages_that_are_answered_whole_are_acknowledged(
            counts in prop::collection::vec(1usize..6, 0..20),
            calls in prop::collection::vec(prop::collection::vec((0u64..24, 0u64..7), 0..30), 0..8),
        ) {
            let (mut parts, mut left) = (Parts::none(), BTreeMap::new());
            for (message, count) in (1u64..).zip(counts) {
                let tags: BTreeSet<u64> = parts.take(message, count, ()).map(|tag| tag.0).collect();
                prop_assert_eq!(tags.len(), count);
                left.insert(message, tags);
            }
            let mut unanswered: BTreeSet<u64> = left.keys().copied().collect();
            for call in calls {
                let tags: Vec<_> = call.iter().map(|(message, place)| DeliveryTag(message << 10 | place)).collect();
                acknowledge(&mut unanswered, parts.answer(&tags));
                for tag in &tags {
                    left.get_mut(&(tag.0 >> 10)).map(|open| open.remove(&tag.0));
                }
                left.retain(|_, open| !open.is_empty());
                prop_assert_eq!(&unanswered, &left.keys().copied().collect());
                for tag in tags {
                    prop_assert!(parts.find(tag).is_none());
                }
            }
        }
    }
}
