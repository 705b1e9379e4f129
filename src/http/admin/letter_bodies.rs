//! Dead letters as operators read them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Timestamp;
use crate::ports::{DeadLetter, LetterEvent, Settled};

/// A dead letter without its payload.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LetterSummary {
    /// The code of its issuance, or a name made from its bytes.
    #[schema(example = "7ZQ4M-0RBX2-9KD3H-VWC81")]
    id: String,
    /// Whose coupon it is, as far as it can be read.
    coupon_id: Option<String>,
    /// Who was to get it.
    member_id: Option<String>,
    /// Its place in the order of issuing.
    sequence: Option<u32>,
    /// When it died first.
    #[schema(value_type = Option<String>)]
    died_at: Option<Timestamp>,
    /// Why it died last.
    reason: String,
    /// Everything that happened to it, the oldest first.
    history: Vec<LetterEventBody>,
    /// How many copies of it there are: 1, unless somebody died while setting it aside or replaying it.
    #[schema(example = 1)]
    copies: usize,
    /// How many bytes it has.
    payload_bytes: usize,
}

/// A dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LetterBody {
    #[serde(flatten)]
    letter: LetterSummary,
    /// Its payload, if it is text; cut off after 16 KiB.
    payload: Option<String>,
}

/// What happened to a letter.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LetterEventBody {
    /// `rejected` by a persister, `given_up` by the broker because it came back too often, or `replayed`.
    #[schema(value_type = String, example = "rejected")]
    what: &'static str,
    /// When, if that is known.
    #[schema(value_type = Option<String>)]
    at: Option<Timestamp>,
    /// Why.
    reason: String,
    /// In which queue, if the broker says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    /// How often.
    count: u64,
}

/// What a replay did.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::http) struct ReplayedBody {
    /// How many letters are on their way again, each once, however many copies it had.
    replayed: usize,
    /// How many are left.
    left: usize,
}

/// What a discard did.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DiscardedBody {
    #[serde(flatten)]
    letter: LetterBody,
    /// How many letters are gone, with all their copies.
    discarded: usize,
    /// How many are left.
    left: usize,
}

impl From<LetterEvent> for LetterEventBody {
    fn from(event: LetterEvent) -> Self {
        let LetterEvent { what, at, reason, queue, count } = event;
        Self { what: what.as_str(), at, reason, queue, count }
    }
}

impl From<DeadLetter> for LetterSummary {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id,
            coupon_id: letter.coupon_id.map(|id| id.to_string()),
            member_id: letter.member_id.map(|id| id.as_str().to_owned()),
            sequence: letter.sequence,
            died_at: letter.died_at,
            reason: letter.reason,
            history: letter.history.into_iter().map(Into::into).collect(),
            copies: letter.copies,
            payload_bytes: letter.payload_bytes,
        }
    }
}

impl From<DeadLetter> for LetterBody {
    fn from(mut letter: DeadLetter) -> Self {
        let payload = letter.payload.take();
        Self { letter: letter.into(), payload }
    }
}

impl From<Settled> for ReplayedBody {
    fn from(settled: Settled) -> Self {
        Self { replayed: settled.done, left: settled.left }
    }
}

impl DiscardedBody {
    pub(super) fn new(letter: DeadLetter, settled: Settled) -> Self {
        Self { letter: letter.into(), discarded: settled.done, left: settled.left }
    }
}
