//! Rate limits: a bucket of tokens for each member and one for each client address.
//!
//! A request takes a token only if it costs more than a refusal. Rejections from the gate (sold out, closed, not open)
//! are free: a refusal would cost as much, and its client would come back.

mod bucket;
mod bucket_table;
mod fields;
mod rates;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;

use self::bucket::Buckets;
pub(super) use self::fields::{Allowance, Refused};
pub use self::rates::{RateLimits, RatesError};
use super::client_address::TrustedProxies;
use crate::domain::MemberId;
use crate::telemetry::Metrics;

/// The limits of one node; every worker shares them.
pub struct RateLimiter {
    address: Option<Buckets>,
    member: Option<Buckets>,
    limits_loopback: bool,
    proxies: TrustedProxies,
    /// The value of `RateLimit-Policy`.
    policies: HeaderValue,
    /// Keyed, so that a client cannot choose the keys with which it shares a slot.
    hashing: RandomState,
    metrics: Arc<Metrics>,
    has_warned_of_proxy: AtomicBool,
}

impl RateLimiter {
    /// `proxies` are trusted to name the addresses of their clients.
    #[must_use]
    pub fn new(rates: &RateLimits, proxies: TrustedProxies, metrics: Arc<Metrics>) -> Self {
        Self {
            address: rates.address.map(|rate| Buckets::new("address", rate)),
            member: rates.member.map(|rate| Buckets::new("member", rate)),
            limits_loopback: rates.limits_loopback,
            proxies,
            policies: fields::policies(rates),
            hashing: RandomState::new(),
            metrics,
            has_warned_of_proxy: AtomicBool::new(false),
        }
    }

    /// Takes the tokens of a request, unless `is_free` returns true. `is_free` is called only for a limited client.
    ///
    /// # Errors
    /// [`Refused`] if a bucket is empty. A refusal by the member's bucket takes no token of the address's bucket.
    pub(super) fn admit(
        &self,
        request: &HttpRequest,
        member: Option<&MemberId>,
        is_free: impl FnOnce() -> bool,
    ) -> Result<Allowance, Refused> {
        if self.address.is_none() && self.member.is_none() {
            return Ok(Allowance::default());
        }
        let Some(peer) = request.peer_addr() else { return Ok(Allowance::default()) };
        let client = self.proxies.client(peer.ip(), request.headers());
        if (client.is_local && !self.limits_loopback) || is_free() {
            return Ok(Allowance::default());
        }
        let network = client.network();
        let mut allowance = Allowance::new(&self.policies);
        // The member's bucket comes first: a member who sends too much empties it and takes nothing from the bucket that
        // a household or a mobile network shares. Its key contains the network, because member ids are not
        // authenticated: a client elsewhere cannot use up this member's tokens.
        if let (Some(buckets), Some(member)) = (&self.member, member) {
            allowance.take(buckets, self.hashing.hash_one((network, member.as_str())), &self.metrics)?;
        }
        if let Some(buckets) = &self.address {
            let taken = allowance.take(buckets, self.hashing.hash_one(network), &self.metrics);
            if taken.is_err() && client.is_untrusted_proxy {
                self.warn_of_untrusted_proxy(peer.ip());
            }
            taken?;
        }
        Ok(allowance)
    }

    /// Warns once: all clients behind that proxy share one bucket, which the operator hardly wants.
    fn warn_of_untrusted_proxy(&self, peer: std::net::IpAddr) {
        if !self.has_warned_of_proxy.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "refused forwarded requests of a proxy that is not in OPENRUN_TRUSTED_PROXIES: \
                 all its clients count as one"
            );
        }
    }
}
