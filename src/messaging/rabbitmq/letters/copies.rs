//! Copies of one letter. Rejecting and replaying publish before they acknowledge, so that a crash in between leaves a
//! copy; and the sweep publishes an issuance again until it has a row. Copies count as one letter.

use std::borrow::Cow;
use std::collections::HashMap;

use lapin::message::Delivery;
use lapin::types::ShortString;

use super::{history, letter};
use crate::messaging::rabbitmq::message;
use crate::ports::{CouponIssued, DeadLetter};

/// A letter: one message or several copies of it.
pub(super) struct Copies<'a> {
    pub(super) id: String,
    /// At least one message, the oldest first.
    messages: Vec<&'a Delivery>,
}

impl<'a> Copies<'a> {
    /// Groups `messages` into letters, in the order of their oldest copies.
    pub(super) fn among(messages: &'a [Delivery]) -> Vec<Self> {
        let (mut letters, mut indexes) = (Vec::<Self>::new(), HashMap::new());
        for message in messages {
            let id = letter::id(&message.properties, &message.data);
            // A message of the same id and another content is another letter.
            let index = *indexes.entry((id.clone(), content(message))).or_insert(letters.len());
            match letters.get_mut(index) {
                Some(letter) => letter.messages.push(message),
                None => letters.push(Self { id, messages: vec![message] }),
            }
        }
        letters
    }

    /// The copy with the longest history; of several the oldest.
    pub(super) fn most_complete(&self) -> &'a Delivery {
        let events = |message: &Delivery| history::events(&message.properties).len();
        let (first, others) = (self.messages[0], &self.messages[1..]);
        others.iter().fold(first, |best, copy| if events(copy) > events(best) { copy } else { best })
    }

    pub(super) fn read(&self) -> DeadLetter {
        let most_complete = self.most_complete();
        let read = letter::read(&most_complete.properties, &most_complete.data);
        DeadLetter { copies: self.messages.len(), ..read }
    }

    /// The delivery tags of all copies.
    pub(super) fn tags(&self) -> impl Iterator<Item = u64> {
        self.messages.iter().map(|message| message.delivery_tag)
    }
}

/// Equal for copies: the issuance without its trace, or else the bytes.
fn content(message: &Delivery) -> Cow<'_, [u8]> {
    let content_type = message.properties.content_type().as_ref().map(ShortString::as_str);
    match message::decode(content_type, &message.data) {
        Ok(CouponIssued { issuance, .. }) => {
            Cow::Owned(message::encode(&CouponIssued { issuance, traceparent: None }))
        }
        Err(_) => Cow::Borrowed(&message.data),
    }
}
