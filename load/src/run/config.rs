//! What a run is asked to do, and the plan that follows.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::admin_client::AdminError;
use crate::connection::REQUEST_TIMEOUT;
use crate::drive::{Arrivals, Plan, PlanError, Schedule, Stage};
use crate::rows::RowsError;
use crate::target::Target;

/// Who comes, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Everyone at the same moment, each over a connection of their own
    Burst,
    /// One member after the other, for a while
    Sustained,
    /// As `sustained`, and every member clicks twice at the same moment
    DoubleClick,
    /// As `sustained`, for a coupon of which none is left
    SoldOut,
    /// As `sustained`, for several coupons in turn
    Mixed,
}

/// A load on a service that is there.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// Where openrun answers.
    pub target: Target,
    /// Who comes, and how.
    pub scenario: Scenario,
    /// Coupons that exist. If there are none, the run makes its own.
    pub coupons: Vec<String>,
    /// How many coupons a `mixed` run makes.
    pub coupons_made: usize,
    /// How many there are of each coupon that the run makes.
    pub stock: u32,
    /// For making coupons, where the service has a token.
    pub admin_token: Option<String>,
    /// Members a second, one stage each: an open loop. If there are none, it is a closed one.
    pub rates: Vec<f64>,
    /// How long it lasts, or each stage does.
    pub lasts: Duration,
    /// How many members a `burst` has.
    pub members: u64,
    /// How many connections there are, but for a `burst`.
    pub connections: usize,
    /// How many threads put the load on.
    pub threads: usize,
    /// Member number n is called by this and n.
    pub member_prefix: String,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Where the rows are, to compare with.
    pub database_url: Option<String>,
    /// How long rows may take to arrive after the last answer.
    pub settle: Duration,
}

/// Why a run has no result. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings do not fit.
    #[error("{0}")]
    Settings(&'static str),
    /// The coupon of a `sold-out` run is not.
    #[error("coupon `{0}` is not sold out: name one that is, or none, and the run makes its own")]
    StillThere(String),
    /// The plan cannot be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An operator's call had no success.
    #[error(transparent)]
    AdminClient(#[from] AdminError),
    /// The rows cannot be read.
    #[error(transparent)]
    Rows(#[from] RowsError),
}

impl RunConfig {
    /// A run of this kind, everything else as it is by default.
    #[must_use]
    pub fn new(target: Target, scenario: Scenario) -> Self {
        Self {
            target,
            scenario,
            coupons: Vec::new(),
            coupons_made: 8,
            stock: 10_000_000,
            admin_token: None,
            rates: Vec::new(),
            lasts: Duration::from_secs(10),
            members: 10_000,
            connections: 64,
            threads: 1,
            member_prefix: "member-".to_owned(),
            request_timeout: REQUEST_TIMEOUT,
            database_url: None,
            settle: Duration::from_secs(60),
        }
    }

    pub(super) fn check(&self) -> Result<(), RunError> {
        let refuse = |message| Err(RunError::Settings(message));
        if self.rates.iter().any(|rate| !(rate.is_finite() && *rate >= 0.0)) {
            return refuse("a rate is a number of members a second, such as 500 or 0.5");
        }
        if !self.rates.is_empty() && self.scenario == Scenario::Burst {
            return refuse("a burst has no rate: everyone comes at once; leave --rate away");
        }
        if self.scenario == Scenario::Burst && self.members == 0 {
            return refuse("a burst needs members: give --members");
        }
        if self.lasts.is_zero() {
            return refuse("a run takes time: give --seconds");
        }
        Ok(())
    }

    /// The load for these coupons.
    pub(super) fn plan(&self, coupons: Vec<String>) -> Plan {
        let mut plan = Plan::new(self.target.clone(), "", self.arrivals());
        plan.coupons = coupons;
        plan.member_prefix.clone_from(&self.member_prefix);
        plan.connections = match self.scenario {
            Scenario::Burst => usize::try_from(self.members).unwrap_or(usize::MAX),
            _ => self.connections,
        };
        plan.threads = self.threads;
        plan.twice = self.scenario == Scenario::DoubleClick;
        plan.request_timeout = self.request_timeout;
        plan
    }

    fn arrivals(&self) -> Arrivals {
        if self.scenario == Scenario::Burst {
            return Arrivals::Once { members: self.members };
        }
        if self.rates.is_empty() {
            return Arrivals::Closed { lasts: self.lasts };
        }
        let stages = self.rates.iter().map(|per_second| Stage { per_second: *per_second, lasts: self.lasts });
        Arrivals::Open(Schedule::new(stages))
    }

    /// How long it takes if nothing stalls; nothing is known of a burst.
    #[must_use]
    pub fn takes(&self) -> Duration {
        match self.arrivals() {
            Arrivals::Closed { lasts } => lasts,
            Arrivals::Open(schedule) => schedule.lasts(),
            Arrivals::Once { .. } => Duration::ZERO,
        }
    }
}
