//! Requests to openrun and its answers, as types.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST, HeaderValue},
};
use serde::Deserialize;

use crate::{connection::Reply, target::Target};

const EXCERPT_CHARS: usize = 160;

const COUPON_ID_MAX_CHARS: usize = 64;

/// An answer to `POST /v1/coupons/{id}/issuances`.
#[derive(Debug, PartialEq)]
pub enum Answer<'a> {
    /// 201: this request issued the coupon.
    Issued(Issuance<'a>),
    /// 200: the member already held the coupon.
    Repeated(Issuance<'a>),
    /// 409: a final rejection.
    Rejected(Rejection),
    /// 429 or 503: nothing is known to be decided, and the request may be sent again.
    Shed {
        /// The contract requires this header.
        retry_after: Option<Duration>,
    },
    /// 408: the server closed the idle connection before this request reached it (RFC 9110, 15.5.9). Nothing
    /// was decided; the request may be sent again on another connection.
    ConnectionClosed,
    /// An answer that the contract does not define.
    Unexpected {
        description: String,
        /// A server error leaves the outcome open; any other status would come again.
        is_retryable: bool,
    },
}

/// The fields of an issuance that must be the same in every answer to a member.
#[derive(Debug, Deserialize, PartialEq)]
pub struct Issuance<'a> {
    #[serde(borrow)]
    pub coupon_id: Cow<'a, str>,
    #[serde(borrow)]
    pub member_id: Cow<'a, str>,
    /// Counted from 1.
    pub sequence: u32,
    #[serde(borrow)]
    pub code: Cow<'a, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    SoldOut,
    /// The sale period has not begun.
    NotOpen,
    /// The sale period is over.
    Closed,
}

/// The one field of a problem document that is read: most answers of a sold-out race are such documents.
#[derive(Deserialize)]
struct Problem<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
pub struct Coupon {
    pub total: u32,
    #[serde(default)]
    pub issued: u32,
}

impl<'a> Answer<'a> {
    /// Must be cheap for 409, the most frequent answer.
    pub fn parse(reply: &'a Reply) -> Self {
        match reply.status {
            StatusCode::CONFLICT => rejection(reply),
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

fn rejection(reply: &Reply) -> Answer<'_> {
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

fn unexpected<'a>(reply: &Reply, problem: &str) -> Answer<'a> {
    let body = String::from_utf8_lossy(&reply.body);
    let excerpt: String = body.chars().take(EXCERPT_CHARS).collect();
    Answer::Unexpected {
        description: format!("{} {problem}: {excerpt}", reply.status.as_u16()),
        is_retryable: reply.status.is_server_error(),
    }
}

/// Builds the requests for one coupon. They differ only in the member's number.
#[derive(Debug)]
pub struct IssueRequests {
    template: Request<()>,
    body_before_number: String,
}

impl IssueRequests {
    /// Prepares requests for members called `{member_prefix}{number}`. The coupon id must be
    /// [valid](is_coupon_id).
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

    pub fn for_member(&self, number: u64) -> Request<Full<Bytes>> {
        let body = format!("{}{number}\"}}", self.body_before_number);
        self.template.clone().map(|()| Full::new(Bytes::from(body)))
    }
}

/// The request that reads a coupon's terms.
pub fn coupon_request(target: &Target, coupon_id: &str) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    Request::builder()
        .uri(format!("/v1/coupons/{coupon_id}"))
        .header(HOST, target.host().clone())
        .body(Full::default())
}

/// Whether openrun accepts the text as a coupon id. Such an id is also safe inside a path.
pub fn is_coupon_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=COUPON_ID_MAX_CHARS).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
