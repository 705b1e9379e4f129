//! Issue requests, and looking up an issuance.

use std::borrow::Cow;
use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract;
use super::prefer;
use super::problem::{Problem, rejection_response};
use super::rate_limits::Allowance;
use super::state::AppState;
use crate::actors::issuing::{Answer, Issued};
use crate::clock;
use crate::domain::{AckLevel, IssuedCoupon, Rejection, Timestamp};
use crate::gate::Passage;
use crate::ports::EngineError;
use crate::telemetry::Outcome;

/// An issue request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IssueRequest<'a> {
    /// The member's id: 1 to 128 printable characters.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 128, example = "member-42")]
    member_id: Cow<'a, str>,
}

/// An issuance: one coupon issued to one member.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IssuanceView<'a> {
    #[schema(value_type = String)]
    coupon_id: &'a str,
    #[schema(value_type = String)]
    member_id: &'a str,
    /// The number of the issuance, counted from 1 in the order of issuing.
    sequence: u32,
    /// The secret code with which the member redeems the coupon.
    #[schema(value_type = String, example = "7ZQ4M-0RBX2-9KD3H-VWC81")]
    code: &'a str,
    /// UNUSED, USED or EXPIRED.
    #[schema(value_type = String, example = "UNUSED")]
    status: &'static str,
    #[schema(value_type = String)]
    issued_at: Timestamp,
    /// The level of safety that the issuance has reached at least: `granted` means durable in the engine, `queued`
    /// confirmed by the broker, `persisted` committed in the database.
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

/// Request a coupon for a member.
///
/// The response contains the final decision. Repeating the request is safe: a member gets the same issuance again. After
/// a 503 the decision is not known: repeat the request.
///
/// The response is sent when the issuance has reached the ack level of the deployment, or a higher level that the client
/// prefers; its field `ack` names the level. After `ack_pending` the coupon is issued, and repeating the request returns
/// it.
#[utoipa::path(
    post,
    path = "/v1/coupons/{coupon_id}/issuances",
    tag = "issuances",
    params(
        ("coupon_id" = String, Path, description = "The coupon's id"),
        ("Prefer" = Option<String>, Header, example = "ack=persisted", description = "The ack level that the issuance \
            must reach before the response (RFC 7240): `ack=granted` (durable in the engine), `ack=queued` (confirmed by \
            the broker too) or `ack=persisted` (committed in the database). Other values, and levels below the \
            deployment's own, are ignored"),
    ),
    request_body = IssueRequest,
    responses(
        (status = 201, description = "A coupon was issued", body = IssuanceView,
            headers(("Preference-Applied" = String, description = "The applied preference"))),
        (status = 200, description = "The member holds this coupon already", body = IssuanceView,
            headers(("Preference-Applied" = String, description = "The applied preference"))),
        (status = 400, description = "`invalid_body`, `invalid_parameter`"),
        (status = 409, description = "`sold_out` (final), `closed` (final), `not_open`"),
        (status = 422, description = "`invalid_member_id`"),
        (status = 429, description = "`rate_limited`: nothing was decided, repeat the request after Retry-After"),
        (status = 503, description = "`paused`, `recovering`, `overloaded`, `outcome_unknown`: repeat the request after \
            Retry-After. `ack_pending`: the coupon is issued, but has not reached the ack level yet; repeating the \
            request returns the same coupon"),
    )
)]
pub(super) async fn issue(
    state: web::Data<AppState>,
    path: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let arrived_at = Instant::now();
    let (outcome, response) = decide(&state, &path, &request, payload, arrived_at)
        .await
        .unwrap_or_else(|problem| (outcome_of_problem(&problem), HttpResponse::from_error(problem)));
    state.metrics.answered(outcome);
    state.metrics.issue_seconds.observe(arrived_at.elapsed().as_secs_f64());
    response
}

async fn decide(
    state: &AppState,
    path: &str,
    request: &HttpRequest,
    payload: web::Payload,
    arrived_at: Instant,
) -> Result<(Outcome, HttpResponse), Problem> {
    let coupon_id = extract::coupon_id(path)?;
    let body = extract::body(request, payload).await?;
    let IssueRequest { member_id } = extract::json(&body)?;
    let member = extract::member_id(&member_id)?;
    let known = state.registry.find(&coupon_id);
    // A rejection from this node's gate takes no tokens.
    let is_rejected_by_gate =
        || known.as_ref().is_some_and(|coupon| coupon.gate().judge(&member, clock::now()) != Passage::Ask);
    let allowance = state.rate_limiter.admit(request, Some(&member), is_rejected_by_gate)?;
    let found = match known {
        Some(coupon) => Some(coupon),
        None => state.registry.find_or_refresh(&coupon_id).await?,
    };
    let coupon = found.ok_or_else(Problem::no_such_coupon)?;
    let deadline = arrived_at + state.request_timeout;
    let preferred = prefer::ack(request);
    let level = state.acks.level(preferred);
    let slot = state.acks.reserve(&coupon, &member, level)?;
    match coupon.issue(&member, extract::traceparent(request).as_ref(), deadline).await? {
        Answer::Issued(issued) => {
            slot.reached(&issued.coupon, deadline).await?;
            let outcome = if issued.again { Outcome::Again } else { Outcome::Issued };
            Ok((outcome, issued_response(&issued, level, preferred, allowance)))
        }
        Answer::Rejected { rejection: Rejection::NotOpen, opens_at: Some(opens_at) } => {
            Err(Problem::not_open(opens_at, clock::now()))
        }
        Answer::Rejected { rejection, .. } => Ok((outcome_of(rejection), rejection_response(rejection))),
    }
}

/// The response with an issuance that has reached `level`.
fn issued_response(
    issued: &Issued,
    level: AckLevel,
    preferred: Option<AckLevel>,
    allowance: Allowance,
) -> HttpResponse {
    let mut response = if issued.again { HttpResponse::Ok() } else { HttpResponse::Created() };
    if preferred == Some(level) {
        response.insert_header(prefer::applied(level));
    }
    let mut response = response.json(IssuanceView::of(&issued.coupon, level));
    allowance.write_headers(&mut response);
    response
}

fn outcome_of(rejection: Rejection) -> Outcome {
    match rejection {
        Rejection::SoldOut => Outcome::SoldOut,
        Rejection::NotOpen => Outcome::NotOpen,
        Rejection::Paused => Outcome::Paused,
        Rejection::Closed => Outcome::Closed,
    }
}

fn outcome_of_problem(problem: &Problem) -> Outcome {
    match problem.code() {
        "rate_limited" => Outcome::RateLimited,
        "not_open" => Outcome::NotOpen,
        "overloaded" => Outcome::Overloaded,
        "recovering" => Outcome::Recovering,
        "outcome_unknown" => Outcome::Unknown,
        "ack_pending" => Outcome::AckPending,
        _ => Outcome::Invalid,
    }
}

/// Look up the issuance of a member.
#[utoipa::path(
    get,
    path = "/v1/coupons/{coupon_id}/issuances/{member_id}",
    tag = "issuances",
    params(
        ("coupon_id" = String, Path, description = "The coupon's id"),
        ("member_id" = String, Path, description = "The member's id, percent-encoded"),
        ("Prefer" = Option<String>, Header, example = "ack=persisted", description = "The ack level that the issuance \
            must reach before the response, as in an issue request"),
    ),
    responses(
        (status = 200, description = "The member holds this coupon", body = IssuanceView,
            headers(("Preference-Applied" = String, description = "The applied preference"))),
        (status = 404, description = "`no_such_coupon`, `not_issued`"),
        (status = 422, description = "`invalid_member_id`"),
        (status = 429, description = "`rate_limited`"),
        (status = 503, description = "`unavailable`, `overloaded`: repeat the request after Retry-After. `ack_pending`: \
            the coupon is issued, but has not reached the ack level yet"),
    )
)]
pub(super) async fn find(
    state: web::Data<AppState>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let deadline = Instant::now() + state.request_timeout;
    let (coupon_id, member_id) = path.into_inner();
    let coupon_id = extract::coupon_id(&coupon_id)?;
    let member = extract::member_id(&member_id)?;
    let allowance = state.rate_limiter.admit(&request, Some(&member), || false)?;
    let coupon = state.registry.find_or_refresh(&coupon_id).await?.ok_or_else(Problem::no_such_coupon)?;
    // Waits for the ack level too: a look-up must not return an issuance earlier than the issue request does.
    let preferred = prefer::ack(&request);
    let level = state.acks.level(preferred);
    let slot = state.acks.reserve(&coupon, &member, level)?;
    let found = tokio::time::timeout(state.request_timeout, state.engine.find(&coupon_id, &member));
    match found.await.unwrap_or_else(|_| Err(EngineError::Unavailable("no answer in time".into()))) {
        Ok(Some(grant)) => {
            let issued = Issued { coupon: coupon.issuance(&member, grant), again: true };
            slot.reached(&issued.coupon, deadline).await?;
            Ok(issued_response(&issued, level, preferred, allowance))
        }
        Ok(None) => Err(Problem::not_issued()),
        Err(error) => {
            tracing::warn!(%coupon_id, %error, "an issuance could not be looked up: the engine did not answer");
            Err(Problem::unavailable("the engine did not answer; try again"))
        }
    }
}
