//! Every error of the HTTP interface, as RFC 9457 `application/problem+json` with a stable `code`.

mod admin;
mod context;

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use self::context::ProblemContext;
pub(super) use self::context::log_cause;
use crate::actors::issuing::{AckPending, IssueError};
use crate::actors::upkeep::CouponAdminError;
use crate::domain::{AmendmentError, Rejection, Timestamp};

const PROBLEM_JSON: &str = "application/problem+json";
/// `Retry-After` of an unknown outcome; short, because it is usually known by then.
const RETRY_SOON_S: u64 = 1;
/// `Retry-After` of a paused coupon.
const RETRY_PAUSED_S: u64 = 5;
/// Upper bound of `Retry-After` before an opening: clocks differ, and an operator may move the opening.
const RETRY_NOT_OPEN_MAX_S: u64 = 60;

/// A problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemBody {
    /// A stable name of the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:openrun:problem:sold_out")]
    kind: String,
    /// The kind of problem, for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The kind of problem, for programs; stable.
    #[schema(example = "sold_out")]
    code: &'static str,
    /// This occurrence of the problem, for people.
    detail: String,
    /// When issuing begins; only with `not_open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    opens_at: Option<Timestamp>,
    /// The names of the failed actors; only with `actors_failed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    actors: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Box<str>,
    retry_after_s: Option<u64>,
    opens_at: Option<Timestamp>,
    actors: Vec<String>,
    /// Boxed, because few problems have one.
    context: Option<Box<ProblemContext>>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        Self {
            status,
            code,
            title,
            detail: detail.into_boxed_str(),
            retry_after_s: None,
            opens_at: None,
            actors: Vec::new(),
            context: None,
        }
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    pub(super) fn invalid_body(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", "The body cannot be read", detail)
    }

    pub(super) fn invalid_parameter(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", "Invalid parameter", detail)
    }

    pub(super) fn invalid_member_id(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_member_id", "Invalid member id", detail)
    }

    /// The terms, total or sale period of a coupon break a rule of the domain.
    pub(super) fn invalid_coupon(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_coupon", "Invalid coupon", detail)
    }

    pub(super) fn body_too_large(limit: usize) -> Self {
        let detail = format!("a body has at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large", detail)
    }

    pub(super) fn body_too_slow() -> Self {
        let detail = "the body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "The body arrived too slowly", detail)
    }

    pub(super) fn unsupported_media_type() -> Self {
        let detail = "send the body as application/json";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body must be JSON",
            detail,
        )
    }

    pub(super) fn no_such_route() -> Self {
        let detail = "nothing is served at this path; see /openapi.json";
        Self::new(StatusCode::NOT_FOUND, "no_such_route", "Not found", detail)
    }

    /// A path of the public API was requested at a node that does not serve it.
    pub(super) fn no_api_here() -> Self {
        let detail = "this node does not have the role api; call a node that has it (openrun's own commands: OPENRUN_SERVER or --server)";
        Self::new(StatusCode::NOT_FOUND, "no_such_route", "Not found", detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        let detail = "this path does not take this method; see /openapi.json";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", detail)
    }

    pub(super) fn no_such_coupon() -> Self {
        let detail = "there is no coupon with this id";
        Self::new(StatusCode::NOT_FOUND, "no_such_coupon", "There is no such coupon", detail)
    }

    pub(super) fn not_issued() -> Self {
        let detail = "this member does not hold this coupon";
        Self::new(StatusCode::NOT_FOUND, "not_issued", "Not issued", detail)
    }

    pub(super) fn unauthorized() -> Self {
        let detail = "an operator's call needs the header 'Authorization: Bearer <OPENRUN_ADMIN_TOKEN>'";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Operator token required", detail)
    }

    /// An operator's call came from a place from which no operator's call is accepted.
    pub(super) fn forbidden(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
    }

    pub(super) fn busy(detail: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, "busy", "Already in progress", detail)
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable", detail)
            .retry_after(RETRY_SOON_S)
    }

    pub(super) fn actors_failed(actors: Vec<String>) -> Self {
        let detail =
            format!("these actors died too often and need a restart by an operator: {}", actors.join(", "));
        let title = "Actors of the node have failed";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "actors_failed", title, detail);
        Self { actors, ..problem }.retry_after(RETRY_SOON_S)
    }

    fn rejected(rejection: Rejection) -> Self {
        let conflict = |code, title, detail| Self::new(StatusCode::CONFLICT, code, title, detail);
        match rejection {
            Rejection::SoldOut => {
                conflict("sold_out", "Sold out", "every coupon has been issued; this is final")
            }
            Rejection::NotOpen => {
                conflict("not_open", "Not open yet", "the coupon is not issued before its opening")
            }
            Rejection::Closed => {
                conflict("closed", "Closed", "the coupon is no longer issued; this is final")
            }
            Rejection::Paused => {
                let detail = "an operator has paused the coupon; nothing was decided, try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "paused", "Paused", detail)
                    .retry_after(RETRY_PAUSED_S)
            }
        }
    }

    pub(super) fn not_open(opens_at: Timestamp, now: Timestamp) -> Self {
        let wait_s = opens_at.ms_since(now).div_ceil(1_000).clamp(1, RETRY_NOT_OPEN_MAX_S);
        Self { opens_at: Some(opens_at), ..Self::rejected(Rejection::NotOpen) }.retry_after(wait_s)
    }

    fn body(&self) -> Vec<u8> {
        let body = ProblemBody {
            kind: format!("urn:openrun:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.to_string(),
            opens_at: self.opens_at,
            actors: self.actors.clone(),
        };
        // Writing strings and numbers to memory cannot fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = respond(self.status, self.retry_after_s, self.body().into());
        if let Some(ProblemContext::Refused(refused)) = self.context.as_deref() {
            refused.write_headers(&mut response);
        }
        response
    }
}

fn respond(status: StatusCode, retry_after_s: Option<u64>, body: Bytes) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, PROBLEM_JSON));
    if let Some(seconds) = retry_after_s {
        response.insert_header((RETRY_AFTER, seconds));
    }
    response.body(body)
}

/// The response to a rejected request. The bodies for sold out, closed and paused coupons are serialized once, because
/// nearly every response of a sold out coupon is one of them.
pub(super) fn rejection_response(rejection: Rejection) -> HttpResponse {
    static SOLD_OUT: LazyLock<Bytes> = LazyLock::new(|| Problem::rejected(Rejection::SoldOut).body().into());
    static CLOSED: LazyLock<Bytes> = LazyLock::new(|| Problem::rejected(Rejection::Closed).body().into());
    static PAUSED: LazyLock<Bytes> = LazyLock::new(|| Problem::rejected(Rejection::Paused).body().into());
    match rejection {
        Rejection::SoldOut => respond(StatusCode::CONFLICT, None, SOLD_OUT.clone()),
        Rejection::Closed => respond(StatusCode::CONFLICT, None, CLOSED.clone()),
        Rejection::Paused => respond(StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_PAUSED_S), PAUSED.clone()),
        Rejection::NotOpen => Problem::rejected(Rejection::NotOpen).error_response(),
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        let (code, title, detail) = match error {
            IssueError::Overloaded => {
                ("overloaded", "Overloaded", "too many requests are waiting; nothing was decided, try again")
            }
            IssueError::Recovering => (
                "recovering",
                "Recovering",
                "the coupon is being verified or rebuilt; nothing was decided, try again",
            ),
            IssueError::Unknown => (
                "outcome_unknown",
                "Outcome unknown",
                "the request may have been decided or not; try again for the true answer",
            ),
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail).retry_after(RETRY_SOON_S)
    }
}

impl From<AckPending> for Problem {
    fn from(pending: AckPending) -> Self {
        let detail = format!("{pending}; it stays issued, and trying again gives the same coupon");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ack_pending", "Issued, not yet acknowledged", detail)
            .retry_after(RETRY_SOON_S)
    }
}

impl From<CouponAdminError> for Problem {
    fn from(error: CouponAdminError) -> Self {
        let conflict = |code, title, detail: String| Self::new(StatusCode::CONFLICT, code, title, detail);
        match error {
            CouponAdminError::Missing => Self::no_such_coupon(),
            CouponAdminError::Exists | CouponAdminError::Orphan => {
                conflict("coupon_exists", "The coupon id is taken", error.to_string())
            }
            CouponAdminError::Rule(AmendmentError::Closed) => conflict("closed", "Closed", error.to_string()),
            CouponAdminError::Rule(AmendmentError::TermsFrozen) => {
                conflict("terms_frozen", "Issuing has started", error.to_string())
            }
            CouponAdminError::Rule(rule) => Self::invalid_coupon(rule.to_string()),
            CouponAdminError::Refused(reason) => conflict("refused", "Refused by the database", reason),
            CouponAdminError::Recovering => IssueError::Recovering.into(),
            CouponAdminError::Unavailable(cause) => Self::write_failed("engine or the catalogue", cause),
        }
    }
}
