//! Reading what clients send, strictly and within bounds, before anything else happens.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::time::timeout;

use super::problem::Problem;
use super::spans;
use crate::domain::{CouponId, MemberId, Note, Traceparent};
use crate::telemetry::TraceSpan;

/// The largest body, in bytes; no valid one comes near.
pub(super) const BODY_MAX: usize = 16 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the whole body of a request that says it is JSON.
pub(super) async fn body(request: &HttpRequest, payload: Payload) -> Result<Bytes, Problem> {
    if !is_json(request) {
        return Err(Problem::unsupported_media_type());
    }
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > BODY_MAX as u64) {
        return Err(Problem::body_too_large(BODY_MAX));
    }
    let mut collecting = pin!(collect(payload));
    if let Some(whole) = without_waiting(collecting.as_mut()).await {
        return whole;
    }
    timeout(BODY_TIMEOUT, collecting).await.unwrap_or_else(|_| Err(Problem::body_too_slow()))
}

/// What `future` gives without being waited for. A body that came with its headers is there at the second look, because the
/// server hands the request over before it has read on: nearly all of them need no timer.
async fn without_waiting<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut looked = false;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

async fn collect(mut payload: Payload) -> Result<Bytes, Problem> {
    let Some(first) = payload.next().await else { return Ok(Bytes::new()) };
    let first = first.map_err(|error| Problem::invalid_body(error.to_string()))?;
    // Nearly every body comes in one piece, which is then not copied.
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

/// Reads a body as JSON of exactly this shape.
pub(super) fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    // To serde a list of the fields' values is as good as the object.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::invalid_body("the body must be an object, not a list"));
    }
    serde_json::from_slice(body).map_err(|error| Problem::invalid_body(error.to_string()))
}

/// Reads a coupon's id from a path.
pub(super) fn coupon_id(text: &str) -> Result<CouponId, Problem> {
    CouponId::parse(text).map_err(|error| Problem::invalid_parameter(error.to_string()))
}

/// Reads a member's id.
pub(super) fn member_id(text: &str) -> Result<MemberId, Problem> {
    MemberId::parse(text).map_err(|error| Problem::invalid_member_id(error.to_string()))
}

/// Reads what an operator writes down.
pub(super) fn note(text: &str) -> Result<Note, Problem> {
    Note::parse(text).map_err(|error| Problem::invalid_note(error.to_string()))
}

/// What continues the request: its own span if it is traced, and otherwise what the client sent, if that is valid.
pub(super) fn traceparent(request: &HttpRequest) -> Option<Traceparent> {
    let own = TraceSpan::current().and_then(|work| work.traceparent());
    own.or_else(|| spans::traceparent(request.headers()).and_then(Traceparent::parse))
}
