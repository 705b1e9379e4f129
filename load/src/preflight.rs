//! A look before the race: is there a server, and does it know the coupon? A million refusals would say it less well.

use std::time::Duration;

use hyper::StatusCode;

use crate::{
    api::{Coupon, coupon_request, is_coupon_id},
    connection::{Connection, RequestError},
    target::Target,
};

/// Why a race should not be started. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// Nobody answers.
    #[error("{target} does not answer: start openrun there, or name another --target ({source})")]
    Unreachable {
        /// Who was asked.
        target: Target,
        /// What happened.
        source: RequestError,
    },
    /// There is no such coupon.
    #[error("{target} knows no coupon `{coupon_id}`: create it first, or name another --coupon")]
    NoSuchCoupon {
        /// Who was asked.
        target: Target,
        /// For what.
        coupon_id: String,
    },
    /// Somebody answers, but not as openrun would.
    #[error("{target} answered {status} when asked for the coupon: is it openrun, and is it well?")]
    NotOpenrun {
        /// Who was asked.
        target: Target,
        /// What they said.
        status: StatusCode,
    },
}

/// Reads the terms of the coupon that will be raced for.
pub async fn look(target: &Target, coupon_id: &str, timeout: Duration) -> Result<Coupon, NotReady> {
    let missing = || NotReady::NoSuchCoupon { target: target.clone(), coupon_id: coupon_id.to_owned() };
    if !is_coupon_id(coupon_id) {
        return Err(missing());
    }
    let request = coupon_request(target, coupon_id).map_err(|_| missing())?;
    let reply = Connection::new(target.clone(), timeout).send(request).await;
    let reply = reply.map_err(|source| NotReady::Unreachable { target: target.clone(), source })?;
    match reply.status {
        StatusCode::NOT_FOUND => Err(missing()),
        status => serde_json::from_slice(&reply.body)
            .map_err(|_| NotReady::NotOpenrun { target: target.clone(), status }),
    }
}
