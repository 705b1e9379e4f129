//! Every error a client sees, as RFC 9457 `application/problem+json` with a stable `code`.

mod admin;
mod context;
mod limited;

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

/// The media type of RFC 9457.
const PROBLEM_JSON: &str = "application/problem+json";
/// How soon a member may ask again when nobody knows; short, because the answer is usually there by then.
const RETRY_SOON_S: u64 = 1;
/// How soon a member may ask again while an operator holds the coupon.
const RETRY_PAUSED_S: u64 = 5;
/// The longest a client is sent away before an opening, so that clocks and plans may change.
const RETRY_NOT_OPEN_MAX_S: u64 = 60;

/// What a client reads.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemBody {
    /// A name of the kind of problem that never changes.
    #[serde(rename = "type")]
    #[schema(example = "urn:openrun:problem:sold_out")]
    kind: String,
    /// The kind of problem in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What a program decides by.
    #[schema(example = "sold_out")]
    code: &'static str,
    /// What happened this time.
    detail: String,
    /// When the window begins, where that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    opens_at: Option<Timestamp>,
    /// The names of the actors that stay down, where that is why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    actors: Vec<String>,
}

/// An error on its way to a client.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Box<str>,
    retry_after_s: Option<u64>,
    opens_at: Option<Timestamp>,
    actors: Vec<String>,
    /// Boxed, because hardly any problem has it.
    aside: Option<Box<ProblemContext>>,
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
            aside: None,
        }
    }

    fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// What was sent cannot be read as what it should be.
    pub(super) fn invalid_body(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", "The body cannot be read", detail)
    }

    /// A parameter of the path or query is wrong.
    pub(super) fn invalid_parameter(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", "A parameter is wrong", detail)
    }

    /// The member id breaks its rule.
    pub(super) fn invalid_member_id(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_member_id",
            "The member id cannot be used",
            detail,
        )
    }

    /// A coupon's terms break a rule.
    pub(super) fn invalid_coupon(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_coupon", "The coupon cannot be as asked", detail)
    }

    /// The body is larger than any valid one.
    pub(super) fn body_too_large(limit: usize) -> Self {
        let detail = format!("a body has at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large", detail)
    }

    /// The body did not come in time.
    pub(super) fn body_too_slow() -> Self {
        let detail = "the body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "The body came too slowly", detail)
    }

    /// The body is not JSON by its own word.
    pub(super) fn unsupported_media_type() -> Self {
        let detail = "send the body as application/json";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body must be JSON",
            detail,
        )
    }

    /// Nothing is at this path.
    pub(super) fn no_such_route() -> Self {
        let detail = "nothing is served at this path; see /openapi.json";
        Self::new(StatusCode::NOT_FOUND, "no_such_route", "Nothing is here", detail)
    }

    /// Nothing but what every node serves is at this one.
    pub(super) fn no_api_here() -> Self {
        let detail = "this node does not have the role api: ask one that has (OPENRUN_SERVER or --server for openrun's own commands)";
        Self::new(StatusCode::NOT_FOUND, "no_such_route", "Nothing is here", detail)
    }

    /// The path is served, but not by this method.
    pub(super) fn method_not_allowed() -> Self {
        let detail = "this path does not take this method; see /openapi.json";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Not by this method", detail)
    }

    /// There is no such coupon.
    pub(super) fn no_such_coupon() -> Self {
        let detail = "there is no coupon of this id";
        Self::new(StatusCode::NOT_FOUND, "no_such_coupon", "There is no such coupon", detail)
    }

    /// The member holds none.
    pub(super) fn not_issued() -> Self {
        let detail = "this member holds no coupon of this id";
        Self::new(StatusCode::NOT_FOUND, "not_issued", "Nothing was issued", detail)
    }

    /// The call is for operators.
    pub(super) fn unauthorized() -> Self {
        let detail = "operators' calls need 'Authorization: Bearer <OPENRUN_ADMIN_TOKEN>'";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "An operator's token is needed", detail)
    }

    /// The call is for operators, and came from where no operator is.
    pub(super) fn forbidden(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not from there", detail)
    }

    /// The same is being done already.
    pub(super) fn busy(detail: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, "busy", "Being done already", detail)
    }

    /// The node cannot answer now.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now", detail)
            .retry_after(RETRY_SOON_S)
    }

    /// Actors of the node stay down until an operator has them made anew.
    pub(super) fn actors_failed(actors: Vec<String>) -> Self {
        let detail = format!("these actors died too often and stay down: {}", actors.join(", "));
        let title = "Some of the node is down";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "actors_failed", title, detail);
        Self { actors, ..problem }.retry_after(RETRY_SOON_S)
    }

    /// Why a member gets no coupon.
    fn rejected(rejection: Rejection) -> Self {
        let (status, code, title, detail) = match rejection {
            Rejection::SoldOut => (
                StatusCode::CONFLICT,
                "sold_out",
                "Sold out",
                "every coupon has been issued; asking again is in vain",
            ),
            Rejection::NotOpen => (
                StatusCode::CONFLICT,
                "not_open",
                "Not open yet",
                "the coupon is not issued before its opening",
            ),
            Rejection::Closed => (
                StatusCode::CONFLICT,
                "closed",
                "Closed",
                "the coupon is no longer issued; asking again is in vain",
            ),
            Rejection::Paused => {
                let detail = "an operator holds the coupon; nothing has been decided, ask again";
                (StatusCode::SERVICE_UNAVAILABLE, "paused", "Paused", detail)
            }
        };
        let problem = Self::new(status, code, title, detail);
        if rejection == Rejection::Paused { problem.retry_after(RETRY_PAUSED_S) } else { problem }
    }

    /// The answer to a member who came before the opening.
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
        if let Some(ProblemContext::Refused(refused)) = self.aside.as_deref() {
            refused.tell(&mut response);
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

/// The answers that a sold out, closed or paused coupon gives to everybody, written once: saying them costs next to
/// nothing.
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
            IssueError::Overloaded => (
                "overloaded",
                "Too many at once",
                "too many members are waiting; nothing was decided, ask again",
            ),
            IssueError::Recovering => (
                "recovering",
                "Being verified",
                "the coupon is being verified; nothing was decided, ask again",
            ),
            IssueError::Unknown => (
                "outcome_unknown",
                "Not known yet",
                "the outcome is not known; ask again for the true answer",
            ),
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail).retry_after(RETRY_SOON_S)
    }
}

impl From<AckPending> for Problem {
    fn from(pending: AckPending) -> Self {
        let detail = format!("{pending}; it stays issued, and asking again gives it");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ack_pending", "Issued, not yet as safe as asked", detail)
            .retry_after(RETRY_SOON_S)
    }
}

impl From<CouponAdminError> for Problem {
    fn from(error: CouponAdminError) -> Self {
        let conflict = |code, title, detail: String| Self::new(StatusCode::CONFLICT, code, title, detail);
        match error {
            CouponAdminError::Missing => Self::no_such_coupon(),
            CouponAdminError::Exists | CouponAdminError::Orphan => {
                conflict("coupon_exists", "The id is taken", error.to_string())
            }
            CouponAdminError::Rule(AmendmentError::Closed) => conflict("closed", "Closed", error.to_string()),
            CouponAdminError::Rule(AmendmentError::TermsFrozen) => {
                conflict("terms_frozen", "Issuing has started", error.to_string())
            }
            CouponAdminError::Rule(rule) => Self::invalid_coupon(rule.to_string()),
            CouponAdminError::Refused(why) => conflict("refused", "The database refused it", why),
            CouponAdminError::Recovering => IssueError::Recovering.into(),
            CouponAdminError::Unavailable(why) => {
                Self::unavailable("not everything answered; it may be done or not, repeat the call")
                    .because(why)
            }
        }
    }
}
