//! What goes wrong with operators' calls of a node alone.

use actix_web::http::StatusCode;

use super::Problem;
use crate::domain::counted;

impl Problem {
    /// The node has no actor of that name.
    pub(in crate::http) fn no_such_actor() -> Self {
        let detail = "no actor of this node has that name; see /v1/admin/actors";
        Self::new(StatusCode::NOT_FOUND, "no_such_actor", "There is no such actor", detail)
    }

    /// No dead letter has that id.
    pub(in crate::http) fn no_such_letter(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_letter", "There is no such dead letter", detail)
    }

    /// No contradiction has that number.
    pub(in crate::http) fn no_such_conflict() -> Self {
        let detail = "there is no contradiction of this number; see /v1/admin/conflicts";
        Self::new(StatusCode::NOT_FOUND, "no_such_conflict", "There is no such contradiction", detail)
    }

    /// The contradiction was settled before, and otherwise.
    pub(in crate::http) fn already_settled() -> Self {
        let detail = "it was settled before with another note, which it keeps";
        Self::new(StatusCode::CONFLICT, "already_settled", "Settled already", detail)
    }

    /// The coupon lacks no number.
    pub(in crate::http) fn nothing_lost() -> Self {
        let detail = "no number of this coupon is lost; see /v1/admin/lost-numbers";
        Self::new(StatusCode::CONFLICT, "nothing_lost", "Nothing is lost", detail)
    }

    /// The operator gives up more or less than is lost.
    pub(in crate::http) fn other_count(count: u32, first: u32) -> Self {
        let lost = counted(count.into(), "number is lost", "numbers are lost");
        let detail = format!("{lost}, from {first} on: say exactly that count");
        Self::new(StatusCode::CONFLICT, "other_count", "Not as many are lost", detail)
    }

    /// An operator's note breaks its rule.
    pub(in crate::http) fn invalid_note(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_note", "The note cannot be kept", detail)
    }
}
