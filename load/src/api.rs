//! What openrun is asked and what it answers, as types.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST, HeaderValue},
};
use serde::Deserialize;

use crate::{connection::Reply, target::Target};

/// How much of an answer that was not understood is quoted.
const EXCERPT_CHARS: usize = 160;

/// The longest coupon id openrun takes.
const COUPON_ID_MAX_CHARS: usize = 64;

/// What `POST /v1/coupons/{id}/issuances` said.
#[derive(Debug, PartialEq)]
pub enum Answer<'a> {
    /// 201: the coupon was issued by this request.
    Issued(Issuance<'a>),
    /// 200: the member had it already, and here it is again.
    Repeated(Issuance<'a>),
    /// 409: a true and final no.
    Rejected(Rejection),
    /// 429 or 503: not now. The outcome is open, and asking again is right.
    Shed {
        /// How long the server wants to be left alone. The contract demands it.
        retry_after: Option<Duration>,
    },
    /// 408: the server had given the idle connection up before this request reached it (RFC 9110, 15.5.9). Nothing was
    /// asked, and asking again on another connection is right.
    ConnectionClosed,
    /// The contract has no such answer.
    Unexpected {
        /// The status and the beginning of the body.
        description: String,
        /// A server error leaves the outcome open; anything else would only be said again.
        is_retryable: bool,
    },
}

/// An issued coupon: the fields that must be the same however often a member asks.
#[derive(Debug, Deserialize, PartialEq)]
pub struct Issuance<'a> {
    /// Which coupon.
    #[serde(borrow)]
    pub coupon_id: Cow<'a, str>,
    /// Whose.
    #[serde(borrow)]
    pub member_id: Cow<'a, str>,
    /// Its place in the queue, from 1.
    pub sequence: u32,
    /// What the member redeems.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
}

/// The reasons for a final no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// All are issued.
    SoldOut,
    /// The window has not begun.
    NotOpen,
    /// The window is over.
    Closed,
}

/// The one field of a problem document that matters here: a sold-out race is almost only these.
#[derive(Deserialize)]
struct Problem<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

/// The terms of a coupon, as far as they can be checked from outside.
#[derive(Debug, Deserialize)]
pub struct Coupon {
    /// How many there are.
    pub total: u32,
    /// How many have been issued.
    #[serde(default)]
    pub issued: u32,
}

impl<'a> Answer<'a> {
    /// Reads an answer. 409 is the path that has to be cheap.
    pub fn parse(reply: &'a Reply) -> Self {
        match reply.status {
            StatusCode::CONFLICT => refusal(reply),
            StatusCode::CREATED => issuance(reply, Self::Issued),
            StatusCode::OK => issuance(reply, Self::Repeated),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                Self::Shed { retry_after: reply.retry_after }
            }
            StatusCode::REQUEST_TIMEOUT => Self::ConnectionClosed,
            _ => unexpected(reply, "is not in the contract"),
        }
    }
}

fn refusal(reply: &Reply) -> Answer<'_> {
    match serde_json::from_slice::<Problem<'_>>(&reply.body) {
        Ok(problem) => match &*problem.code {
            "sold_out" => Answer::Rejected(Rejection::SoldOut),
            "not_open" => Answer::Rejected(Rejection::NotOpen),
            "closed" => Answer::Rejected(Rejection::Closed),
            _ => unexpected(reply, "has an unknown code"),
        },
        Err(_) => unexpected(reply, "carries no problem document"),
    }
}

fn issuance<'a>(reply: &'a Reply, kind: fn(Issuance<'a>) -> Answer<'a>) -> Answer<'a> {
    serde_json::from_slice(&reply.body).map_or_else(|_| unexpected(reply, "carries no issuance"), kind)
}

fn unexpected<'a>(reply: &Reply, what: &str) -> Answer<'a> {
    let body = String::from_utf8_lossy(&reply.body);
    let excerpt: String = body.chars().take(EXCERPT_CHARS).collect();
    Answer::Unexpected {
        description: format!("{} {what}: {excerpt}", reply.status.as_u16()),
        is_retryable: reply.status.is_server_error(),
    }
}

/// The request for one coupon, built once; only the member's number differs between two requests.
#[derive(Debug)]
pub struct IssueRequests {
    template: Request<()>,
    body_before_number: String,
}

impl IssueRequests {
    /// Prepares requests for members called `{member_prefix}{number}`. The coupon id must be [valid](is_coupon_id).
    pub fn new(target: &Target, coupon_id: &str, member_prefix: &str) -> Result<Self, hyper::http::Error> {
        let mut template = Request::builder()
            .method(Method::POST)
            .uri(Uri::try_from(format!("/v1/coupons/{coupon_id}/issuances"))?)
            .body(())?;
        template.headers_mut().insert(HOST, target.host().clone());
        template.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let quoted = serde_json::Value::from(member_prefix).to_string();
        let open = quoted.strip_suffix('"').unwrap_or(&quoted);
        Ok(Self { template, body_before_number: format!("{{\"member_id\":{open}") })
    }

    /// The request of member number `number`.
    pub fn for_member(&self, number: u64) -> Request<Full<Bytes>> {
        let body = format!("{}{number}\"}}", self.body_before_number);
        self.template.clone().map(|()| Full::new(Bytes::from(body)))
    }
}

/// The request for a coupon's terms.
pub fn coupon_request(target: &Target, coupon_id: &str) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    Request::builder()
        .uri(format!("/v1/coupons/{coupon_id}"))
        .header(HOST, target.host().clone())
        .body(Full::default())
}

/// Whether openrun would take this as a coupon's id. It is also what makes it safe inside a path.
pub fn is_coupon_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=COUPON_ID_MAX_CHARS).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
