//! Data that a problem carries beside its body: the state of a rate limit for headers, and a cause for the log.

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;

use super::Problem;
use crate::http::rate_limits::Refused;

#[derive(Debug)]
pub(super) enum ProblemContext {
    Refused(Refused),
    /// For the log only: it may name hosts or contain SQL.
    Cause(String),
}

impl Problem {
    /// Attaches a cause that is logged and not sent to the client.
    pub(in crate::http) fn with_cause(self, cause: impl std::fmt::Display) -> Self {
        Self { context: Some(ProblemContext::Cause(cause.to_string()).into()), ..self }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        // The gateway sends the same text (deploy/gateway/problems.conf).
        let detail = "too many requests at once; nothing was decided, try again";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests", detail);
        let problem = problem.retry_after(refused.wait_s);
        Self { context: Some(ProblemContext::Refused(refused).into()), ..problem }
    }
}

/// Logs the cause of a failed operator call, if its problem has one.
pub(in crate::http) fn log_cause<B>(response: &ServiceResponse<B>) {
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
    let Some(ProblemContext::Cause(error)) = problem.and_then(|problem| problem.context.as_deref()) else {
        return;
    };
    let request = response.request();
    let (method, path) = (request.method(), request.path());
    tracing::warn!(%method, %path, %error, "an operator's call failed and was answered with a problem");
}
