//! Dead letters: messages that can never be written, and the operators' calls on them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::BoxError;
use crate::domain::{CouponId, MemberId, Sequence, Timestamp};

/// Kind of an event in the history of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterEventKind {
    /// A persister found the message impossible to write.
    Rejected,
    /// The broker dead-lettered the message after too many redeliveries.
    GivenUp,
    /// An operator replayed the letter.
    Replayed,
}

impl LetterEventKind {
    /// Name in JSON.
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
    /// Kind of the event.
    pub what: LetterEventKind,
    /// Time, if it is known.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Reason, as a sentence.
    pub reason: String,
    /// Queue, if the broker names it.
    #[serde(default)]
    pub queue: Option<String>,
    /// Number of times, at least 1.
    #[serde(default = "once")]
    pub count: u64,
}

fn once() -> u64 {
    1
}

/// A message in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Code of the issuance. For a message without a code or with several: a hash of its bytes. The same in every
    /// listing.
    pub id: String,
    /// Coupon in the payload, if it can be read; so are member and sequence.
    pub coupon_id: Option<CouponId>,
    /// Member in the payload.
    pub member_id: Option<MemberId>,
    /// Sequence in the payload.
    pub sequence: Option<Sequence>,
    /// Time at which it became a dead letter first.
    pub died_at: Option<Timestamp>,
    /// Reason for which it became a dead letter last.
    pub reason: String,
    /// All events, the oldest first.
    pub history: Vec<LetterEvent>,
    /// Messages of this letter: 1, and one more for each crash while it was rejected or replayed.
    pub copies: usize,
    /// Length of the payload.
    pub payload_bytes: usize,
    /// Payload, if it is text; truncated if it is too long to be shown.
    pub payload: Option<String>,
}

/// Result of a replay or a discard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterCounts {
    /// Letters that were replayed or discarded, each with all its copies.
    pub done: usize,
    /// Letters that are left.
    pub left: usize,
}

/// Reason for which a call on the dead letters failed.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// Another call holds the letters.
    #[error("another operator holds the dead letters")]
    Busy,
    /// The broker did not answer. The call may be done in part; repeating it is safe.
    #[error("the broker did not answer: {0}")]
    Unavailable(#[source] BoxError),
}

/// The dead letters, for operators.
///
/// Reading letters loses none and changes neither their order nor their content, also when a process dies meanwhile. A
/// message that was dead-lettered several times is one letter with copies. A letter leaves the queue only after a
/// confirmed replay, or when it is discarded. One call at a time holds the letters, on any node; the next one waits, so
/// that it does not find them missing.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// The oldest letters, at most `limit`.
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, DeadLetterError>;

    /// The first letter of this id.
    async fn find(&self, id: &str) -> Result<Option<DeadLetter>, DeadLetterError>;

    /// Publishes the letter of this id once to the queue of issuances and removes every copy of it; `None` if there is
    /// no such letter. A crash in between makes one copy more at worst, and the database writes an issuance once
    /// however often it arrives.
    async fn replay(&self, id: &str) -> Result<Option<LetterCounts>, DeadLetterError>;

    /// Replays the oldest letters, at most `limit`. A letter that fails again returns with a longer history.
    async fn replay_all(&self, limit: usize) -> Result<LetterCounts, DeadLetterError>;

    /// Deletes the letter of this id and every copy of it for good, and returns it; `None` if there is no such letter.
    async fn discard(&self, id: &str) -> Result<Option<(DeadLetter, LetterCounts)>, DeadLetterError>;
}
