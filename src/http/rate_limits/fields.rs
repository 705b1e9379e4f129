//! The headers `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers, as structured fields (RFC 9651).
//!
//! Responses whose request took a token carry them, and refusals. Free responses do not; that is nearly every response
//! of a sold out coupon.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::bucket::Buckets;
use super::rates::RateLimits;
use crate::telemetry::Metrics;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The value of `RateLimit-Policy`: quota, and window in seconds, of each kind of bucket.
pub(super) fn policies(rates: &RateLimits) -> HeaderValue {
    let named = [("member", rates.member), ("address", rates.address)];
    let item = |(by, rate): (&str, Option<super::rates::Rate>)| {
        rate.map(|rate| format!("\"{by}\";q={};w={}", rate.burst, rate.window_s()))
    };
    let items: Vec<String> = named.into_iter().filter_map(item).collect();
    // ASCII names and numbers alone, which every header value may contain.
    HeaderValue::from_str(&items.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The tokens that a request has taken.
#[derive(Debug, Default)]
pub(in crate::http) struct Allowance {
    /// Absent if the request took no token.
    policies: Option<HeaderValue>,
    /// The value of `RateLimit`: the tokens left in each bucket.
    left: String,
}

/// A request for which a bucket had no token.
#[derive(Debug)]
pub(in crate::http) struct Refused {
    pub(in crate::http) wait_s: u64,
    policies: HeaderValue,
    left: String,
}

impl Allowance {
    pub(super) fn new(policies: &HeaderValue) -> Self {
        Self { policies: Some(policies.clone()), left: String::with_capacity(48) }
    }

    pub(super) fn take(&mut self, buckets: &Buckets, key: u64, metrics: &Metrics) -> Result<(), Refused> {
        let between = if self.left.is_empty() { "" } else { ", " };
        match buckets.take(key) {
            Ok(left) => {
                // Writing to memory cannot fail.
                let _written = write!(self.left, "{between}\"{}\";r={left}", buckets.by);
                Ok(())
            }
            Err(wait_s) => {
                metrics.rate_limited(buckets.by);
                let policies = self.policies.take().unwrap_or_else(|| HeaderValue::from_static(""));
                // Names the empty bucket alone: the time to wait is that of this bucket.
                Err(Refused { wait_s, policies, left: format!("\"{}\";r=0;t={wait_s}", buckets.by) })
            }
        }
    }

    pub(in crate::http) fn write_headers(self, response: &mut HttpResponse) {
        if let Some(policies) = self.policies {
            write_fields(response, policies, &self.left);
        }
    }
}

impl Refused {
    pub(in crate::http) fn write_headers(&self, response: &mut HttpResponse) {
        write_fields(response, self.policies.clone(), &self.left);
    }
}

fn write_fields(response: &mut HttpResponse, policies: HeaderValue, left: &str) {
    let headers = response.headers_mut();
    headers.insert(POLICY, policies);
    if let Ok(left) = HeaderValue::from_str(left) {
        headers.insert(LIMIT, left);
    }
}
