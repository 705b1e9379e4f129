//! What clients are told of limits: the fields `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers,
//! as structured fields (RFC 9651).
//!
//! They stand on answers that took a token and on refusals. What is free, which is nearly everything once a coupon is sold
//! out, carries none.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::bucket::Buckets;
use super::rates::RateLimits;
use crate::telemetry::Metrics;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What `RateLimit-Policy` says of these limits: quota and window in seconds.
pub(super) fn policies(rates: &RateLimits) -> HeaderValue {
    let named = [("member", rates.member), ("address", rates.address)];
    let item = |(by, rate): (&str, Option<super::rates::Rate>)| {
        rate.map(|rate| format!("\"{by}\";q={};w={}", rate.burst, rate.window_s()))
    };
    let items: Vec<String> = named.into_iter().filter_map(item).collect();
    // Names and numbers of this service: every character may stand in a field.
    HeaderValue::from_str(&items.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The tokens that a request has taken.
#[derive(Debug, Default)]
pub(in crate::http) struct Allowance {
    /// Absent where nothing is limited.
    policies: Option<HeaderValue>,
    /// What is left in each bucket, as `RateLimit` says it.
    left: String,
}

/// Why a request was refused, as its client is told.
#[derive(Debug)]
pub(in crate::http) struct Refused {
    /// When to ask again.
    pub(in crate::http) wait_s: u64,
    policies: HeaderValue,
    left: String,
}

impl Allowance {
    pub(super) fn new(policies: &HeaderValue) -> Self {
        Self { policies: Some(policies.clone()), left: String::with_capacity(48) }
    }

    /// Takes one more token.
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
                // Only of the bucket that is empty: it alone says how long to wait.
                Err(Refused { wait_s, policies, left: format!("\"{}\";r=0;t={wait_s}", buckets.by) })
            }
        }
    }

    /// Says on an answer what is left.
    pub(in crate::http) fn tell(self, response: &mut HttpResponse) {
        if let Some(policies) = self.policies {
            write_fields(response, policies, &self.left);
        }
    }
}

impl Refused {
    /// Says on the refusal which limit it was.
    pub(in crate::http) fn tell(&self, response: &mut HttpResponse) {
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
