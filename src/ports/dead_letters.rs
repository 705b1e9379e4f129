//! What could not be written: issuances and other messages that were set aside, and what operators do with them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::BoxError;
use crate::domain::{CouponId, MemberId, Sequence, Timestamp};

/// What happened to a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterEventKind {
    /// A persister found that it can never be written.
    Rejected,
    /// The broker set it aside by itself, because it came back too often.
    GivenUp,
    /// An operator sent it on its way again.
    Replayed,
}

impl LetterEventKind {
    /// The word for it in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::GivenUp => "given_up",
            Self::Replayed => "replayed",
        }
    }
}

/// One entry of a letter's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterEvent {
    /// What happened.
    pub what: LetterEventKind,
    /// When, if that is known.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Why, in words.
    pub reason: String,
    /// In which queue, if the broker says so.
    #[serde(default)]
    pub queue: Option<String>,
    /// How often, at least once.
    #[serde(default = "once")]
    pub count: u64,
}

fn once() -> u64 {
    1
}

/// A message that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The code of its issuance; of a message that has none, or has several, a name made from its bytes. The same in every
    /// listing.
    pub id: String,
    /// Whose coupon it is, as far as it can be read; so for the next two.
    pub coupon_id: Option<CouponId>,
    /// Who was to get it.
    pub member_id: Option<MemberId>,
    /// Its place in the order of issuing.
    pub sequence: Option<Sequence>,
    /// When it died first.
    pub died_at: Option<Timestamp>,
    /// Why it died last.
    pub reason: String,
    /// Everything that happened to it, the oldest first.
    pub history: Vec<LetterEvent>,
    /// How many messages it is: one, and one more for each time that somebody died while setting it aside or replaying it.
    pub copies: usize,
    /// How many bytes it has.
    pub payload_bytes: usize,
    /// Its payload, if it is text; cut off where it is too long to be shown.
    pub payload: Option<String>,
}

/// What an operator's call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// How many letters were dealt with, each with all its copies.
    pub done: usize,
    /// How many there are besides.
    pub left: usize,
}

/// Why the letters could not be dealt with.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// Someone else holds the letters at this moment.
    #[error("another operator holds the dead letters")]
    Busy,
    /// The broker did not answer. What was asked for may be done in part; repeating it is safe.
    #[error("the broker did not answer: {0}")]
    Unavailable(#[source] BoxError),
}

/// The dead letters, for operators.
///
/// Looking at letters loses none and changes neither their order nor what they say, however often it is done and whatever
/// dies meanwhile. A message that was set aside several times is one letter with copies. A letter leaves only when it was replayed and that was confirmed, or discarded. One operator at a time
/// holds them, on whichever node; the next waits, so that nobody takes a letter that is being looked at for gone.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// The oldest letters, at most `limit`.
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, DeadLetterError>;

    /// The first letter of this id.
    async fn find(&self, id: &str) -> Result<Option<DeadLetter>, DeadLetterError>;

    /// Sends the letter of this id on its way again, once, and takes every copy of it away. `None` if there is none. A
    /// crash in between makes a copy at worst, and the database takes an issuance once however often it comes.
    async fn replay(&self, id: &str) -> Result<Option<Settled>, DeadLetterError>;

    /// The same for the oldest letters, at most `limit`. One that fails again comes back, with a longer history.
    async fn replay_all(&self, limit: usize) -> Result<Settled, DeadLetterError>;

    /// Drops the letter of this id, and every copy of it, for good; gives what was dropped. `None` if there is none.
    async fn discard(&self, id: &str) -> Result<Option<(DeadLetter, Settled)>, DeadLetterError>;
}
