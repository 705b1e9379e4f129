//! Asking for a coupon, and looking up who holds one.

use std::borrow::Cow;
use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract;
use super::prefer;
use super::problem::{Problem, ProblemBody, rejection_response};
use super::rate_limits::{Allowance, Refused};
use super::state::AppState;
use crate::actors::issuing::{Answer, CouponHandle, IssueError, Issued};
use crate::clock;
use crate::domain::{AckLevel, IssuedCoupon, MemberId, Rejection, Timestamp};
use crate::gate::Passage;
use crate::ports::EngineError;
use crate::telemetry::Outcome;

/// Who asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IssueRequest<'a> {
    /// The member's id: 1 to 128 printable characters.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 128, example = "member-42")]
    member_id: Cow<'a, str>,
}

/// A coupon in a member's hands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IssuanceView<'a> {
    /// Which coupon.
    #[schema(value_type = String)]
    coupon_id: &'a str,
    /// Who holds it.
    #[schema(value_type = String)]
    member_id: &'a str,
    /// Its place in the order of issuing, from 1.
    sequence: u32,
    /// What the member shows to redeem it.
    #[schema(value_type = String, example = "7ZQ4M-0RBX2-9KD3H-VWC81")]
    code: &'a str,
    /// UNUSED, USED or EXPIRED.
    #[schema(value_type = String, example = "UNUSED")]
    status: &'static str,
    /// When it was issued.
    #[schema(value_type = String)]
    issued_at: Timestamp,
    /// How safe it was at least when this was said: `granted` means that the engine has made it durable, `queued` that
    /// the broker has confirmed it, `persisted` that it is in the database.
    #[schema(value_type = String, example = "granted")]
    ack: &'static str,
}

impl<'a> IssuanceView<'a> {
    fn of(issuance: &'a IssuedCoupon, ack: AckLevel) -> Self {
        Self {
            coupon_id: issuance.coupon_id.as_str(),
            member_id: issuance.member_id.as_str(),
            sequence: issuance.sequence,
            code: issuance.code.as_str(),
            status: issuance.status.as_str(),
            issued_at: issuance.issued_at,
            ack: ack.as_str(),
        }
    }
}

/// Ask for a coupon.
///
/// The answer is the true one and comes in the same response. Asking again gives the same coupon. After a 503 nothing is
/// known to be decided: ask again.
///
/// The answer comes when the coupon is as safe as this deployment wants it to be, or safer if the client prefers so; its
/// `ack` says how safe. After `ack_pending` the coupon is issued, and asking again gives it.
#[utoipa::path(
    post,
    path = "/v1/coupons/{coupon_id}/issuances",
    tag = "issuances",
    params(
        ("coupon_id" = String, Path, description = "The coupon's id"),
        ("Prefer" = Option<String>, Header, example = "ack=persisted", description = "How safe the coupon must be when \
            this is answered (RFC 7240): `ack=granted` (the engine has it), `ack=queued` (the broker has it too) or \
            `ack=persisted` (the database has it). Ignored if it is less than the deployment's own level, or no level"),
    ),
    request_body = IssueRequest,
    responses(
        (status = 201, description = "A coupon was issued", body = IssuanceView,
            headers(("Preference-Applied" = String, description = "What was followed"))),
        (status = 200, description = "The member holds this coupon already", body = IssuanceView,
            headers(("Preference-Applied" = String, description = "What was followed"))),
        (status = 400, description = "`invalid_body`, `invalid_parameter`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "`no_such_coupon`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 408, description = "`body_too_slow`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "`sold_out` (final), `closed` (final), `not_open`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_member_id`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`: nothing was decided, ask again after Retry-After", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, description = "`paused`, `recovering`, `overloaded`, `outcome_unknown`: ask again after \
            Retry-After. `ack_pending`: issued, but not yet as safe as preferred; asking again gives the same coupon", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn issue(
    state: web::Data<AppState>,
    path: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let begun = Instant::now();
    let answered = answer(&state, &path, &request, payload, begun).await;
    let (outcome, response) = match answered {
        Ok(told) => told,
        Err((outcome, problem)) => (outcome, HttpResponse::from_error(problem)),
    };
    state.metrics.answered(outcome);
    state.metrics.issue_seconds.observe(begun.elapsed().as_secs_f64());
    response
}

async fn answer(
    state: &AppState,
    path: &str,
    request: &HttpRequest,
    payload: web::Payload,
    begun: Instant,
) -> Result<(Outcome, HttpResponse), (Outcome, Problem)> {
    let invalid = |problem| (Outcome::Invalid, problem);
    let coupon_id = extract::coupon_id(path).map_err(invalid)?;
    let body = extract::body(request, payload).await.map_err(invalid)?;
    let asked: IssueRequest<'_> = extract::json(&body).map_err(invalid)?;
    let member = extract::member_id(&asked.member_id).map_err(invalid)?;
    let limited = |refused: Refused| (Outcome::RateLimited, refused.into());
    let known = state.registry.find(&coupon_id);
    let allowance = admit(state, request, known.as_deref(), &member).map_err(limited)?;
    let unknown = |error: IssueError| (outcome_of_error(error), error.into());
    let found = match known {
        Some(coupon) => Some(coupon),
        None => state.registry.find_or_refresh(&coupon_id).await.map_err(unknown)?,
    };
    let Some(coupon) = found else { return Err(invalid(Problem::no_such_coupon())) };
    let deadline = begun + state.request_timeout;
    let wish = prefer::ack(request);
    let level = state.acks.level(wish);
    let slot = state.acks.reserve(&coupon, &member, level).map_err(unknown)?;
    match coupon.issue(&member, extract::traceparent(request).as_ref(), deadline).await {
        Ok(Answer::Issued(issued)) => {
            let reached = slot.reached(&issued.coupon, deadline).await;
            reached.map_err(|pending| (Outcome::AckPending, pending.into()))?;
            let (outcome, mut response) = told(&issued, level, wish);
            allowance.tell(&mut response);
            Ok((outcome, response))
        }
        Ok(Answer::Rejected { rejection: Rejection::NotOpen, opens_at: Some(opens_at) }) => {
            let problem = Problem::not_open(opens_at, clock::now());
            Ok((Outcome::NotOpen, HttpResponse::from_error(problem)))
        }
        Ok(Answer::Rejected { rejection, .. }) => Ok((outcome_of(rejection), rejection_response(rejection))),
        Err(error) => Err(unknown(error)),
    }
}

/// Takes the tokens of whoever has to be looked into. What this node's gate says by itself is free.
fn admit(
    state: &AppState,
    request: &HttpRequest,
    known: Option<&CouponHandle>,
    member: &MemberId,
) -> Result<Allowance, Refused> {
    let is_said_by_the_gate =
        || known.is_some_and(|coupon| coupon.gate().judge(member, clock::now()) != Passage::Ask);
    state.limits.admit(request, Some(member), is_said_by_the_gate)
}

/// The answer to a member whose coupon has reached `level`.
fn told(issued: &Issued, level: AckLevel, wish: Option<AckLevel>) -> (Outcome, HttpResponse) {
    let (outcome, mut response) = if issued.again {
        (Outcome::Again, HttpResponse::Ok())
    } else {
        (Outcome::Issued, HttpResponse::Created())
    };
    if wish == Some(level) {
        response.insert_header(prefer::applied(level));
    }
    (outcome, response.json(IssuanceView::of(&issued.coupon, level)))
}

fn outcome_of(rejection: Rejection) -> Outcome {
    match rejection {
        Rejection::SoldOut => Outcome::SoldOut,
        Rejection::NotOpen => Outcome::NotOpen,
        Rejection::Paused => Outcome::Paused,
        Rejection::Closed => Outcome::Closed,
    }
}

fn outcome_of_error(error: IssueError) -> Outcome {
    match error {
        IssueError::Overloaded => Outcome::Overloaded,
        IssueError::Recovering => Outcome::Recovering,
        IssueError::Unknown => Outcome::Unknown,
    }
}

/// Look up what a member holds.
#[utoipa::path(
    get,
    path = "/v1/coupons/{coupon_id}/issuances/{member_id}",
    tag = "issuances",
    params(
        ("coupon_id" = String, Path, description = "The coupon's id"),
        ("member_id" = String, Path, description = "The member's id, percent-encoded"),
        ("Prefer" = Option<String>, Header, example = "ack=persisted", description = "How safe the coupon must be when \
            this is answered, as when asking for one"),
    ),
    responses(
        (status = 200, description = "The member holds this coupon", body = IssuanceView,
            headers(("Preference-Applied" = String, description = "What was followed"))),
        (status = 400, description = "`invalid_parameter`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "`no_such_coupon`, `not_issued`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_member_id`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded`: ask again after Retry-After. `ack_pending`: issued, but \
            not yet as safe as preferred", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn find(
    state: web::Data<AppState>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let deadline = Instant::now() + state.request_timeout;
    let (coupon_id, member_id) = path.into_inner();
    let (coupon_id, member) = (extract::coupon_id(&coupon_id)?, extract::member_id(&member_id)?);
    let allowance = state.limits.admit(&request, Some(&member), || false)?;
    let coupon = state.registry.find_or_refresh(&coupon_id).await?.ok_or_else(Problem::no_such_coupon)?;
    // Who looks up is told no sooner than who asks.
    let wish = prefer::ack(&request);
    let level = state.acks.level(wish);
    let slot = state.acks.reserve(&coupon, &member, level)?;
    let asked = tokio::time::timeout(state.request_timeout, state.engine.find(&coupon_id, &member));
    match asked.await.unwrap_or_else(|_| Err(EngineError::Unavailable("no answer in time".into()))) {
        Ok(Some(grant)) => {
            let issued = Issued { coupon: coupon.issuance(&member, grant), again: true };
            slot.reached(&issued.coupon, deadline).await?;
            let (_, mut response) = told(&issued, level, wish);
            allowance.tell(&mut response);
            Ok(response)
        }
        Ok(None) => Err(Problem::not_issued()),
        Err(error) => {
            tracing::warn!(%coupon_id, %error, "an issuance could not be looked up");
            Err(Problem::unavailable("the engine did not answer; ask again"))
        }
    }
}
