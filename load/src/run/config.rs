//! The parameters of a run, and the plan that follows from them.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::admin_client::AdminError;
use crate::connection::REQUEST_TIMEOUT;
use crate::drive::{Arrivals, Plan, PlanError, Schedule, Stage};
use crate::rows::IssuanceTableError;
use crate::target::Target;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// All members at the same moment, each over a connection of its own
    Burst,
    /// A steady stream of members
    Sustained,
    /// As `sustained`, and every member clicks twice at the same moment
    DoubleClick,
    /// As `sustained`, for a coupon that is sold out
    SoldOut,
    /// As `sustained`, for several coupons in turn
    Mixed,
}

/// A load on a running service.
#[derive(Clone, Debug)]
pub struct RunConfig {
    pub target: Target,
    pub scenario: Scenario,
    /// Existing coupons. If empty, the run creates its own.
    pub coupons: Vec<String>,
    /// The number of coupons that a `mixed` run creates.
    pub coupon_count: usize,
    /// The total of each coupon that the run creates.
    pub stock: u32,
    /// Needed for creating coupons if the service has a token.
    pub admin_token: Option<String>,
    /// Members a second, one stage each, in an open loop. If empty, the loop is closed.
    pub rates: Vec<f64>,
    /// Of the run, or of each stage.
    pub duration: Duration,
    /// Of a `burst`.
    pub members: u64,
    /// Not used by a `burst`.
    pub connections: usize,
    pub threads: usize,
    /// Member number n is called by this and n.
    pub member_prefix: String,
    pub request_timeout: Duration,
    /// The database to compare with.
    pub database_url: Option<String>,
    /// The limit on the time that rows take to arrive after the last answer.
    pub settle_timeout: Duration,
}

/// The reason for which a run has no result, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{0}")]
    Settings(&'static str),
    /// The coupon of a `sold-out` run has stock left.
    #[error("coupon `{0}` is not sold out: name a sold-out one, or none, so that the run creates its own")]
    NotSoldOut(String),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    AdminClient(#[from] AdminError),
    #[error(transparent)]
    IssuanceTable(#[from] IssuanceTableError),
}

impl RunConfig {
    /// A run with defaults for everything else.
    #[must_use]
    pub fn new(target: Target, scenario: Scenario) -> Self {
        Self {
            target,
            scenario,
            coupons: Vec::new(),
            coupon_count: 8,
            stock: 10_000_000,
            admin_token: None,
            rates: Vec::new(),
            duration: Duration::from_secs(10),
            members: 10_000,
            connections: 64,
            threads: 1,
            member_prefix: "member-".to_owned(),
            request_timeout: REQUEST_TIMEOUT,
            database_url: None,
            settle_timeout: Duration::from_secs(60),
        }
    }

    pub(super) fn validate(&self) -> Result<(), RunError> {
        let refuse = |message| Err(RunError::Settings(message));
        if self.rates.iter().any(|rate| !(rate.is_finite() && *rate >= 0.0)) {
            return refuse("a rate is a number of members a second, such as 500 or 0.5");
        }
        if !self.rates.is_empty() && self.scenario == Scenario::Burst {
            return refuse("a burst has no rate: all members come at once; leave --rate away");
        }
        if self.scenario == Scenario::Burst && self.members == 0 {
            return refuse("a burst needs members: give --members");
        }
        if self.duration.is_zero() {
            return refuse("a run needs a duration: give --seconds");
        }
        Ok(())
    }

    pub(super) fn plan(&self, coupons: Vec<String>) -> Plan {
        let mut plan = Plan::new(self.target.clone(), "", self.arrivals());
        plan.coupons = coupons;
        plan.member_prefix.clone_from(&self.member_prefix);
        plan.connections = match self.scenario {
            Scenario::Burst => usize::try_from(self.members).unwrap_or(usize::MAX),
            _ => self.connections,
        };
        plan.threads = self.threads;
        plan.double_click = self.scenario == Scenario::DoubleClick;
        plan.request_timeout = self.request_timeout;
        plan
    }

    fn arrivals(&self) -> Arrivals {
        if self.scenario == Scenario::Burst {
            return Arrivals::AtOnce { members: self.members };
        }
        if self.rates.is_empty() {
            return Arrivals::Closed { duration: self.duration };
        }
        let stages =
            self.rates.iter().map(|per_second| Stage { per_second: *per_second, duration: self.duration });
        Arrivals::Open(Schedule::new(stages))
    }

    /// The duration if nothing stalls; zero for a burst, whose duration is not known.
    #[must_use]
    pub fn expected_duration(&self) -> Duration {
        match self.arrivals() {
            Arrivals::Closed { duration } => duration,
            Arrivals::Open(schedule) => schedule.duration(),
            Arrivals::AtOnce { .. } => Duration::ZERO,
        }
    }
}
