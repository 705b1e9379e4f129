//! The plan of a load.

use std::net::IpAddr;
use std::time::Duration;

use super::schedule::Schedule;
use crate::api::is_coupon_id;
use crate::connection::REQUEST_TIMEOUT;
use crate::target::Target;

/// The times at which members come.
#[derive(Clone, Debug)]
pub enum Arrivals {
    /// Closed loop: on each connection, the next member comes as soon as the last one is answered.
    Closed { duration: Duration },
    /// Open loop: members come when the schedule says, independently of the answers.
    Open(Schedule),
    /// All members come at the same moment.
    AtOnce { members: u64 },
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub target: Target,
    /// Member number n requests one of these, in turn.
    pub coupons: Vec<String>,
    /// Member number n is called by this and n.
    pub member_prefix: String,
    pub arrivals: Arrivals,
    /// The first part of a load, which is not measured. Not used with [`Arrivals::AtOnce`].
    pub warm_up: Duration,
    /// Open before the first member comes, unless `connect_on_demand` is set.
    pub connections: usize,
    pub threads: usize,
    /// Every member sends two requests at the same moment, over two connections.
    pub double_click: bool,
    /// The first request over a connection opens it, and its latency includes that.
    pub connect_on_demand: bool,
    pub request_timeout: Duration,
    /// The local addresses to connect from, in turn; if empty, the system chooses. One address has some
    /// 28,000 ports.
    pub sources: Vec<IpAddr>,
}

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("`{0}` is no coupon id: use 1 to 64 letters, digits, `-` and `_`")]
    CouponId(String),
    #[error(
        "a load needs at least one coupon, one connection and one thread, and no more threads than connections"
    )]
    Empty,
    #[error("the request cannot be built: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("{connections} connections to {target} cannot be opened: {source}")]
    Unreachable {
        target: Target,
        connections: usize,
        /// The first failure.
        source: crate::connection::RequestError,
    },
    /// The system refuses a thread or a runtime.
    #[error("the load cannot be driven: {0}")]
    Thread(#[source] std::io::Error),
    /// The counts of the thread are lost.
    #[error("a thread of the load died")]
    ThreadPanicked,
}

impl Plan {
    /// A load for one coupon, with defaults for everything else.
    #[must_use]
    pub fn new(target: Target, coupon: impl Into<String>, arrivals: Arrivals) -> Self {
        Self {
            target,
            coupons: vec![coupon.into()],
            member_prefix: "member-".to_owned(),
            arrivals,
            warm_up: Duration::ZERO,
            connections: 64,
            threads: 1,
            double_click: false,
            connect_on_demand: false,
            request_timeout: REQUEST_TIMEOUT,
            sources: Vec::new(),
        }
    }

    /// The measured period, from the beginning of the load. It has no end if the load has no fixed duration.
    #[must_use]
    pub fn measured_period(&self) -> (Duration, Option<Duration>) {
        match &self.arrivals {
            Arrivals::Closed { duration } => (self.warm_up, Some(self.warm_up + *duration)),
            Arrivals::Open(schedule) => (self.warm_up, Some(schedule.duration())),
            Arrivals::AtOnce { .. } => (Duration::ZERO, None),
        }
    }

    pub(super) fn validate(&self) -> Result<(), PlanError> {
        if let Some(id) = self.coupons.iter().find(|id| !is_coupon_id(id)) {
            return Err(PlanError::CouponId(id.clone()));
        }
        if self.coupons.is_empty() || self.threads == 0 || self.connections < self.threads {
            return Err(PlanError::Empty);
        }
        Ok(())
    }
}
