//! What whoever asks too often is told.

use actix_web::http::StatusCode;

use super::Problem;
use super::context::ProblemContext;
use crate::http::rate_limits::Refused;

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        // The gateway in front says the same, word by word.
        let detail = "too many requests at once; nothing was decided, ask again";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests", detail);
        let problem = problem.retry_after(refused.wait_s);
        Self { aside: Some(ProblemContext::Refused(refused).into()), ..problem }
    }
}
