//! What a load is asked to be.

use std::net::IpAddr;
use std::time::Duration;

use super::schedule::Schedule;
use crate::api::is_coupon_id;
use crate::connection::REQUEST_TIMEOUT;
use crate::target::Target;

/// When members come.
#[derive(Clone, Debug)]
pub enum Arrivals {
    /// Closed loop: on each connection the next member asks when the last one has been answered, for so long.
    Closed {
        /// How long it lasts.
        lasts: Duration,
    },
    /// Open loop: members come when the schedule says, whether or not anybody has been answered.
    Open(Schedule),
    /// So many members, all at the same moment.
    Once {
        /// How many.
        members: u64,
    },
}

/// A load.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who is asked.
    pub target: Target,
    /// Member number n asks for one of these, in turn.
    pub coupons: Vec<String>,
    /// Member number n is called by this and n.
    pub member_prefix: String,
    /// When members come.
    pub arrivals: Arrivals,
    /// The first part of a load, which is not measured. Not for [`Arrivals::Once`].
    pub warm_up: Duration,
    /// How many connections there are, all open before the first member comes.
    pub connections: usize,
    /// How many threads drive them.
    pub threads: usize,
    /// Every member clicks twice at the same moment, by a connection more.
    pub twice: bool,
    /// Connections are opened by the first request they carry, and that time counts.
    pub connect_late: bool,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Where connections come from, in turn; the system chooses if it is empty. One address has some 28,000 ports.
    pub sources: Vec<IpAddr>,
}

/// Why a load cannot be put on.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The coupon's id could not be one.
    #[error("`{0}` is no coupon id: use 1 to 64 letters, digits, `-` and `_`")]
    CouponId(String),
    /// Nobody would ask for anything.
    #[error(
        "a load needs at least one coupon, one connection and one thread, and no more threads than connections"
    )]
    Nobody,
    /// The parts do not make a request.
    #[error("the request cannot be built: {0}")]
    Request(#[from] hyper::http::Error),
    /// No connection could be opened before the load began.
    #[error("{connections} connections to {target} cannot be opened: {source}")]
    Unreachable {
        /// Who was asked.
        target: Target,
        /// How many there were to be.
        connections: usize,
        /// What happened to the first that failed.
        source: crate::connection::RequestError,
    },
    /// The system gives no thread or no runtime.
    #[error("the load cannot be driven: {0}")]
    Thread(#[source] std::io::Error),
    /// A thread of the load panicked: its figures are lost.
    #[error("a thread of the load died")]
    Died,
}

impl Plan {
    /// A load of this kind for one coupon; everything else as it is by default.
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
            twice: false,
            connect_late: false,
            request_timeout: REQUEST_TIMEOUT,
            sources: Vec::new(),
        }
    }

    /// The part that is measured: from when to when, counted from the beginning. Without an end for a load that has none.
    #[must_use]
    pub fn measured(&self) -> (Duration, Option<Duration>) {
        match &self.arrivals {
            Arrivals::Closed { lasts } => (self.warm_up, Some(self.warm_up + *lasts)),
            Arrivals::Open(schedule) => (self.warm_up, Some(schedule.lasts())),
            Arrivals::Once { .. } => (Duration::ZERO, None),
        }
    }

    pub(super) fn check(&self) -> Result<(), PlanError> {
        if let Some(id) = self.coupons.iter().find(|id| !is_coupon_id(id)) {
            return Err(PlanError::CouponId(id.clone()));
        }
        if self.coupons.is_empty() || self.threads == 0 || self.connections < self.threads {
            return Err(PlanError::Nobody);
        }
        Ok(())
    }
}
