//! Checks before a race that the server answers and has the coupon. Otherwise every request of the race would
//! fail for the same reason.

use std::time::Duration;

use hyper::StatusCode;

use crate::{
    api::{Coupon, coupon_request, is_coupon_id},
    connection::{Connection, RequestError},
    target::Target,
};

/// The reason not to start a race, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    #[error("{target} does not answer: start openrun there, or name another --target ({source})")]
    Unreachable { target: Target, source: RequestError },
    #[error("{target} has no coupon `{coupon_id}`: create it first, or name another --coupon")]
    NoSuchCoupon { target: Target, coupon_id: String },
    /// The server answers, but not as openrun would.
    #[error(
        "{target} answered {status} to the request for the coupon: check that it is openrun, and its log"
    )]
    NotOpenrun { target: Target, status: StatusCode },
}

/// Reads the terms of the coupon.
pub async fn check_coupon(
    target: &Target,
    coupon_id: &str,
    timeout: Duration,
) -> Result<Coupon, PreflightError> {
    let missing = || PreflightError::NoSuchCoupon { target: target.clone(), coupon_id: coupon_id.to_owned() };
    if !is_coupon_id(coupon_id) {
        return Err(missing());
    }
    let request = coupon_request(target, coupon_id).map_err(|_| missing())?;
    let reply = Connection::new(target.clone(), timeout).send(request).await;
    let reply = reply.map_err(|source| PreflightError::Unreachable { target: target.clone(), source })?;
    match reply.status {
        StatusCode::NOT_FOUND => Err(missing()),
        status => serde_json::from_slice(&reply.body)
            .map_err(|_| PreflightError::NotOpenrun { target: target.clone(), status }),
    }
}
