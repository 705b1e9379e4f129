//! Contradictions as operators read and settle them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Note, Timestamp};
use crate::ports::{ConflictId, KeptConflict};

/// An issuance that arrived and contradicts a row of the database, which keeps both.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ConflictBody {
    /// Its number.
    #[schema(example = 1)]
    id: ConflictId,
    /// Whose coupon it is.
    coupon_id: String,
    /// Who was to get it.
    member_id: String,
    /// Its place in the order of issuing.
    sequence: u32,
    /// Its code.
    #[schema(example = "7ZQ4M-0RBX2-9KD3H-VWC81")]
    code: String,
    /// When it was issued, as it says.
    #[schema(value_type = String)]
    issued_at: Timestamp,
    /// Which rows it contradicts, in words.
    held: String,
    /// When it arrived first.
    #[schema(value_type = String)]
    noticed_at: Timestamp,
    /// When an operator settled it, if one has.
    #[schema(value_type = Option<String>)]
    settled_at: Option<Timestamp>,
    /// What that operator wrote down.
    note: Option<String>,
}

/// What an operator says of a contradiction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SettleBody {
    /// What was found, and what was done about it: one line of up to 500 characters. It is kept for good.
    #[schema(example = "kim was given another coupon; ticket 4711")]
    pub(super) note: String,
}

impl ConflictBody {
    /// Whether this is the note it was settled with.
    pub(super) fn says(&self, note: &Note) -> bool {
        self.note.as_deref() == Some(note.as_str())
    }
}

impl From<KeptConflict> for ConflictBody {
    fn from(kept: KeptConflict) -> Self {
        let KeptConflict { id, conflict, noticed_at, settlement } = kept;
        let (settled_at, note) = settlement.map(|settlement| (settlement.at, settlement.note)).unzip();
        let arrived = conflict.arrived;
        Self {
            id,
            coupon_id: arrived.coupon_id.to_string(),
            member_id: arrived.member_id.as_str().to_owned(),
            sequence: arrived.sequence,
            code: arrived.code.as_str().to_owned(),
            issued_at: arrived.issued_at,
            held: conflict.held,
            noticed_at,
            settled_at,
            note,
        }
    }
}
