//! Copies of one letter. Burying and replaying publish first and acknowledge afterwards, so that whoever dies in between
//! leaves a copy; and the sweep publishes an issuance again as long as it has no row. None of them is another letter.

use std::borrow::Cow;
use std::collections::HashMap;

use lapin::message::Delivery;
use lapin::types::ShortString;

use super::{history, letter};
use crate::messaging::rabbitmq::message;
use crate::ports::{CouponIssued, DeadLetter};

/// A letter, which is one message or several.
pub(super) struct Copies<'a> {
    pub(super) id: String,
    /// At least one, the oldest first.
    messages: Vec<&'a Delivery>,
}

impl<'a> Copies<'a> {
    /// The letters among `messages`, in the order of their oldest copies.
    pub(super) fn among(messages: &'a [Delivery]) -> Vec<Self> {
        let (mut letters, mut places) = (Vec::<Self>::new(), HashMap::new());
        for message in messages {
            let id = letter::id(&message.properties, &message.data);
            // Another message of the same id is another letter, which nobody has looked at yet.
            let place = *places.entry((id.clone(), content(message))).or_insert(letters.len());
            match letters.get_mut(place) {
                Some(letter) => letter.messages.push(message),
                None => letters.push(Self { id, messages: vec![message] }),
            }
        }
        letters
    }

    /// The copy to which most has happened; of several the oldest.
    pub(super) fn fullest(&self) -> &'a Delivery {
        let happened = |message: &Delivery| history::of(&message.properties).len();
        let (first, others) = (self.messages[0], &self.messages[1..]);
        others.iter().fold(first, |best, copy| if happened(copy) > happened(best) { copy } else { best })
    }

    /// What there is to tell of it.
    pub(super) fn read(&self) -> DeadLetter {
        let fullest = self.fullest();
        let read = letter::read(&fullest.properties, &fullest.data);
        DeadLetter { copies: self.messages.len(), ..read }
    }

    /// By which the broker knows all of them.
    pub(super) fn tags(&self) -> impl Iterator<Item = u64> {
        self.messages.iter().map(|message| message.delivery_tag)
    }
}

/// What makes two messages copies: the same issuance, in whichever trace it was published, or else the same bytes.
fn content(message: &Delivery) -> Cow<'_, [u8]> {
    let content_type = message.properties.content_type().as_ref().map(ShortString::as_str);
    match message::decode(content_type, &message.data) {
        Ok(CouponIssued { issuance, .. }) => {
            Cow::Owned(message::encode(&CouponIssued { issuance, traceparent: None }))
        }
        Err(_) => Cow::Borrowed(&message.data),
    }
}
