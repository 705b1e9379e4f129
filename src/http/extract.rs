//! Reads bodies, ids and notes of requests, strictly and within bounds.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload, Query};
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::time::timeout;

use super::problem::Problem;
use super::spans;
use crate::domain::{CouponId, MemberId, Note, Traceparent};
use crate::telemetry::TraceSpan;

/// The largest body, in bytes; valid bodies are far smaller.
const BODY_MAX: usize = 16 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the whole body of a request with the media type JSON.
pub(super) async fn body(request: &HttpRequest, payload: Payload) -> Result<Bytes, Problem> {
    if !is_json(request) {
        return Err(Problem::unsupported_media_type());
    }
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > BODY_MAX as u64) {
        return Err(Problem::body_too_large(BODY_MAX));
    }
    let mut body = pin!(collect(payload));
    if let Some(body) = poll_twice(body.as_mut()).await {
        return body;
    }
    timeout(BODY_TIMEOUT, body).await.unwrap_or_else(|_| Err(Problem::body_too_slow()))
}

/// The output of `future` if it is ready at the second poll, which spares a timer. A body that arrives with its headers
/// is ready by then: the server calls the handler before it reads the body.
async fn poll_twice<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut is_second = false;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if is_second => Poll::Ready(None),
        Poll::Pending => {
            is_second = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

async fn collect(mut payload: Payload) -> Result<Bytes, Problem> {
    let Some(first) = payload.next().await else { return Ok(Bytes::new()) };
    let first = first.map_err(|error| Problem::invalid_body(error.to_string()))?;
    // Nearly every body arrives in one piece, which is not copied.
    let Some(second) = payload.next().await else { return within_limit(first) };
    let mut whole = BytesMut::from(&*first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        let chunk = chunk.map_err(|error| Problem::invalid_body(error.to_string()))?;
        if whole.len() + chunk.len() > BODY_MAX {
            return Err(Problem::body_too_large(BODY_MAX));
        }
        whole.extend_from_slice(&chunk);
        next = payload.next().await;
    }
    within_limit(whole.freeze())
}

fn within_limit(body: Bytes) -> Result<Bytes, Problem> {
    if body.len() > BODY_MAX { Err(Problem::body_too_large(BODY_MAX)) } else { Ok(body) }
}

fn is_json(request: &HttpRequest) -> bool {
    let Some(value) = request.headers().get(CONTENT_TYPE) else { return false };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or(&[]);
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Parses a body as a JSON object of this type.
pub(super) fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    // serde would accept a list of the fields' values.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::invalid_body("the body must be an object, not a list"));
    }
    serde_json::from_slice(body).map_err(|error| Problem::invalid_body(error.to_string()))
}

/// The parameters of a query, or why they could not be parsed.
pub(super) type QueryResult<T> = Result<Query<T>, actix_web::Error>;

pub(super) fn query<T>(query: QueryResult<T>) -> Result<T, Problem> {
    query.map(Query::into_inner).map_err(|error| Problem::invalid_parameter(error.to_string()))
}

/// Checks the length that a list is to have: from 1 to `max`, and 100 if it is left out.
pub(super) fn limit<T: PartialOrd + Display + Copy + From<u8>>(
    given: Option<T>,
    max: T,
) -> Result<T, Problem> {
    let limit = given.unwrap_or_else(|| 100.into());
    if limit >= 1.into() && limit <= max {
        Ok(limit)
    } else {
        Err(Problem::invalid_parameter(format!("limit must be between 1 and {max}")))
    }
}

pub(super) fn coupon_id(text: &str) -> Result<CouponId, Problem> {
    CouponId::parse(text).map_err(|error| Problem::invalid_parameter(error.to_string()))
}

pub(super) fn member_id(text: &str) -> Result<MemberId, Problem> {
    MemberId::parse(text).map_err(|error| Problem::invalid_member_id(error.to_string()))
}

pub(super) fn note(text: &str) -> Result<Note, Problem> {
    Note::parse(text).map_err(|error| Problem::invalid_note(error.to_string()))
}

/// The trace that continues in the actors: the request's own span if it is traced, otherwise a valid one of the client.
pub(super) fn traceparent(request: &HttpRequest) -> Option<Traceparent> {
    let own = TraceSpan::current().and_then(|span| span.traceparent());
    own.or_else(|| spans::traceparent(request.headers()).and_then(Traceparent::parse))
}
