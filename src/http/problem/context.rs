//! What a problem says beside its body: headers of a limit, and for the log why a call could not be carried out.

use actix_web::dev::ServiceResponse;

use super::Problem;
use crate::http::rate_limits::Refused;

/// What is said beside the body.
#[derive(Debug)]
pub(super) enum ProblemContext {
    /// By a limit: what is left of it, for headers.
    Refused(Refused),
    /// Why it failed: for the log, and not for the client.
    BoxError(String),
}

impl Problem {
    /// Keeps for the log what the client is not told.
    pub(in crate::http) fn because(self, cause: impl std::fmt::Display) -> Self {
        Self { aside: Some(ProblemContext::BoxError(cause.to_string()).into()), ..self }
    }
}

/// Says which call could not be carried out, and why, if there is something to say of it.
pub(in crate::http) fn log_cause<B>(response: &ServiceResponse<B>) {
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
    let Some(ProblemContext::BoxError(error)) = problem.and_then(|problem| problem.aside.as_deref()) else {
        return;
    };
    let request = response.request();
    let (method, path) = (request.method(), request.path());
    tracing::warn!(%method, %path, %error, "an operator's call could not be carried out");
}
