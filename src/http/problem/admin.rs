//! What goes wrong with operators' calls of a node alone.

use actix_web::http::StatusCode;

use super::Problem;

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

    /// An operator's note breaks its rule.
    pub(in crate::http) fn invalid_note(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_note", "The note cannot be kept", detail)
    }
}
