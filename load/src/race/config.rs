//! The parameters of a race.

use std::time::Duration;

use super::RetryPolicy;
use crate::{api::is_coupon_id, connection::REQUEST_TIMEOUT, target::Target};

/// The longest member id that openrun accepts.
const MEMBER_ID_MAX_CHARS: usize = 128;

/// The digits of the highest member number.
const NUMBER_MAX_CHARS: usize = 20;

#[derive(Clone, Debug)]
pub struct RaceConfig {
    pub target: Target,
    pub coupon_id: String,
    pub members: u64,
    /// The number of members that request at the same time. Each uses one connection, and a second one for a
    /// double click.
    pub clients: usize,
    /// The fraction of members that click twice at the same moment, from 0 to 1, spread evenly.
    pub double_click: f64,
    /// Member number n is called by this and n. A second race for the same coupon needs another prefix.
    pub member_prefix: String,
    pub request_timeout: Duration,
    pub retry: RetryPolicy,
}

#[derive(Debug, thiserror::Error)]
pub enum RaceError {
    #[error("`{0}` is no coupon id: use 1 to 64 letters, digits, `-` and `_`")]
    CouponId(String),
    #[error("a race needs at least one client and one attempt for each member")]
    NoClients,
    #[error("double clicks are a fraction of the members, from 0 to 1, not {0}")]
    DoubleClick(f64),
    #[error("`{0}` cannot begin a member id: use up to 108 printable characters")]
    MemberPrefix(String),
    #[error("the request cannot be built: {0}")]
    Request(#[from] hyper::http::Error),
    /// A task of the race panicked: its counts are lost, so there is no report.
    #[error("a client of the race died: {0}")]
    ClientPanicked(#[source] tokio::task::JoinError),
}

impl RaceConfig {
    /// A race with defaults for everything else.
    pub fn new(target: Target, coupon_id: impl Into<String>, members: u64) -> Self {
        Self {
            target,
            coupon_id: coupon_id.into(),
            members,
            clients: 256,
            double_click: 0.1,
            member_prefix: "member-".to_owned(),
            request_timeout: REQUEST_TIMEOUT,
            retry: RetryPolicy::default(),
        }
    }

    pub(super) fn validate(&self) -> Result<(), RaceError> {
        let prefix = &self.member_prefix;
        if !is_coupon_id(&self.coupon_id) {
            return Err(RaceError::CouponId(self.coupon_id.clone()));
        }
        if self.clients == 0 || self.retry.attempts == 0 {
            return Err(RaceError::NoClients);
        }
        if !(0.0..=1.0).contains(&self.double_click) {
            return Err(RaceError::DoubleClick(self.double_click));
        }
        if prefix.chars().any(char::is_control)
            || prefix.chars().count() + NUMBER_MAX_CHARS > MEMBER_ID_MAX_CHARS
        {
            return Err(RaceError::MemberPrefix(prefix.clone()));
        }
        Ok(())
    }

    /// True for exactly the configured fraction of any range of members.
    pub(super) fn clicks_twice(&self, number: u64) -> bool {
        let up_to = |n: u64| (n as f64 * self.double_click).floor();
        up_to(number + 1) > up_to(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RaceConfig {
        RaceConfig::new(Target::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80))), "c", 10)
    }

    #[test]
    fn the_defaults_are_valid() {
        config().validate().unwrap();
    }

    #[test]
    fn invalid_parameters_are_refused() {
        let refused = |change: fn(&mut RaceConfig)| {
            let mut config = config();
            change(&mut config);
            config.validate().unwrap_err()
        };
        assert!(matches!(refused(|c| c.coupon_id = "../x".into()), RaceError::CouponId(_)));
        assert!(matches!(refused(|c| c.clients = 0), RaceError::NoClients));
        assert!(matches!(refused(|c| c.retry.attempts = 0), RaceError::NoClients));
        assert!(matches!(refused(|c| c.double_click = 1.1), RaceError::DoubleClick(_)));
        assert!(matches!(refused(|c| c.double_click = f64::NAN), RaceError::DoubleClick(_)));
        assert!(matches!(refused(|c| c.member_prefix = "x".repeat(109)), RaceError::MemberPrefix(_)));
        assert!(matches!(refused(|c| c.member_prefix = "a\nb".into()), RaceError::MemberPrefix(_)));
    }

    #[test]
    fn the_configured_fraction_of_the_members_clicks_twice() {
        for (part, expected) in [(0.0, 0), (0.1, 100), (0.5, 500), (1.0, 1_000)] {
            let config = RaceConfig { double_click: part, ..config() };
            let twice = (0..1_000).filter(|&n| config.clicks_twice(n)).count();
            assert_eq!(twice, expected, "{part}");
        }
    }
}
