//! Problems of operators' calls alone.

use std::fmt::Display;

use actix_web::http::StatusCode;

use super::Problem;
use crate::domain::counted;

impl Problem {
    /// A read failed. It has changed nothing.
    pub(in crate::http) fn read_failed(service: &str, cause: impl Display) -> Self {
        Self::unavailable(format!("the {service} did not answer; try again")).with_cause(cause)
    }

    /// A write failed. It may have taken effect, and can be repeated.
    pub(in crate::http) fn write_failed(service: &str, cause: impl Display) -> Self {
        let detail = format!("the {service} did not answer; the change may be done or not, repeat the call");
        Self::unavailable(detail).with_cause(cause)
    }

    pub(in crate::http) fn no_such_actor() -> Self {
        let detail = "no actor of this node has this name; see /v1/admin/actors";
        Self::new(StatusCode::NOT_FOUND, "no_such_actor", "There is no such actor", detail)
    }

    pub(in crate::http) fn no_such_letter(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_letter", "There is no such dead letter", detail)
    }

    pub(in crate::http) fn no_such_conflict() -> Self {
        let detail = "there is no conflict with this number; see /v1/admin/conflicts";
        Self::new(StatusCode::NOT_FOUND, "no_such_conflict", "There is no such conflict", detail)
    }

    /// The conflict has been settled with another note.
    pub(in crate::http) fn already_settled() -> Self {
        let detail = "the conflict has been settled with another note, which it keeps";
        Self::new(StatusCode::CONFLICT, "already_settled", "Already settled", detail)
    }

    pub(in crate::http) fn nothing_lost() -> Self {
        let detail = "no number of this coupon is lost; see /v1/admin/lost-numbers";
        Self::new(StatusCode::CONFLICT, "nothing_lost", "No number is lost", detail)
    }

    /// The operator's count differs from the number of lost numbers.
    pub(in crate::http) fn other_count(count: u32, first: u32) -> Self {
        let lost = counted(count.into(), "number is lost", "numbers are lost");
        let detail = format!("{lost}, the first is {first}: the count must be the same");
        Self::new(StatusCode::CONFLICT, "other_count", "The count differs", detail)
    }

    pub(in crate::http) fn invalid_note(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_note", "Invalid note", detail)
    }
}
