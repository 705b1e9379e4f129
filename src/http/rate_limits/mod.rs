//! How often anybody may ask: a bucket of tokens for each member and one for each client address.
//!
//! A token is taken only for what costs more than refusing it: what the gate says by itself (sold out, closed, not
//! open) is said to everybody as often as they like, because a refusal would cost as much, and its client would come back.

mod bucket;
mod bucket_table;
mod client;
mod fields;
mod forwarded;
mod rates;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;

use self::bucket::Buckets;
pub use self::client::{ProxiesError, TrustedProxies};
pub(super) use self::fields::{Allowance, Refused};
pub use self::rates::{RateLimits, RatesError};
use crate::domain::MemberId;
use crate::telemetry::Metrics;

/// The limits of one node; every worker shares them.
pub struct RateLimiter {
    address: Option<Buckets>,
    member: Option<Buckets>,
    limits_loopback: bool,
    proxies: TrustedProxies,
    /// What `RateLimit-Policy` says, written once.
    policies: HeaderValue,
    /// Keyed, so that nobody can choose whom they share a place with.
    hashing: RandomState,
    metrics: Arc<Metrics>,
    /// Whether it was said that a proxy is not believed.
    said: AtomicBool,
}

impl RateLimiter {
    /// These limits, for clients whose address `proxies` may tell.
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
            said: AtomicBool::new(false),
        }
    }

    /// Takes the tokens of a request, made for `member` if it names one, unless it is `free` anyway.
    ///
    /// # Errors
    /// [`Refused`] if there are none left. It takes no token of a bucket that others share.
    pub(super) fn admit(
        &self,
        request: &HttpRequest,
        member: Option<&MemberId>,
        free: impl FnOnce() -> bool,
    ) -> Result<Allowance, Refused> {
        if self.address.is_none() && self.member.is_none() {
            return Ok(Allowance::default());
        }
        let Some(peer) = request.peer_addr() else { return Ok(Allowance::default()) };
        let client = self.proxies.client(peer.ip(), request.headers());
        if (client.is_local && !self.limits_loopback) || free() {
            return Ok(Allowance::default());
        }
        let place = client.place();
        let mut allowance = Allowance::new(&self.policies);
        // The member's first: whoever hammers is stopped by their own bucket, and takes nothing from the one that a
        // whole house or a mobile network may share. It is the member's at this address, because a name is only a
        // word: nobody can use up the tokens of somebody who is elsewhere.
        if let (Some(buckets), Some(member)) = (&self.member, member) {
            allowance.take(buckets, self.hashing.hash_one((place, member.as_str())), &self.metrics)?;
        }
        if let Some(buckets) = &self.address {
            let taken = allowance.take(buckets, self.hashing.hash_one(place), &self.metrics);
            if taken.is_err() && client.is_told_by_a_stranger {
                self.say_who_is_not_believed(peer.ip());
            }
            taken?;
        }
        Ok(allowance)
    }

    /// Once: everybody behind that proxy shares one bucket, which is hardly what the operator wants.
    fn say_who_is_not_believed(&self, peer: std::net::IpAddr) {
        if !self.said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "requests that say whom they were forwarded for come from an address that is not in \
                 OPENRUN_TRUSTED_PROXIES: all of them count as one client, and some were refused"
            );
        }
    }
}
