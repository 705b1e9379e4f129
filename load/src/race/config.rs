//! What a race is made of.

use std::time::Duration;

use super::Patience;
use crate::{api::is_coupon_id, connection::REQUEST_TIMEOUT, target::Target};

/// The longest member id openrun takes, in characters.
const MEMBER_ID_MAX_CHARS: usize = 128;

/// The digits of the highest member number.
const NUMBER_MAX_CHARS: usize = 20;

/// Who asks for what, where, and how.
#[derive(Clone, Debug)]
pub struct RaceConfig {
    /// Where openrun answers.
    pub target: Target,
    /// The coupon everybody wants.
    pub coupon_id: String,
    /// How many members ask.
    pub members: u64,
    /// How many of them ask at the same time. Each uses one connection, and a second one for a double click.
    pub clients: usize,
    /// Which part of the members clicks twice at the same moment, from 0 to 1. They are spread evenly.
    pub double_click: f64,
    /// Member number n is called by this and n. A second race over the same coupon wants another prefix.
    pub member_prefix: String,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How often and after which delays a member asks again.
    pub patience: Patience,
}

/// Why a race could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RaceError {
    /// The coupon's id could not be one.
    #[error("`{0}` is no coupon id: use 1 to 64 letters, digits, `-` and `_`")]
    CouponId(String),
    /// Nobody would ask.
    #[error("a race needs at least one client and one attempt for each member")]
    Nobody,
    /// Not a part of the whole.
    #[error("double clicks are a part of the members, from 0 to 1, not {0}")]
    DoubleClick(f64),
    /// The members' names would be refused.
    #[error("`{0}` cannot begin a member id: use up to 108 printable characters")]
    MemberPrefix(String),
    /// The parts do not make a request.
    #[error("the request cannot be built: {0}")]
    Request(#[from] hyper::http::Error),
    /// A task of the race panicked: its figures are lost, so there is no report.
    #[error("a client of the race died: {0}")]
    Runner(#[source] tokio::task::JoinError),
}

impl RaceConfig {
    /// A race of `members`, everything else as it is by default.
    pub fn new(target: Target, coupon_id: impl Into<String>, members: u64) -> Self {
        Self {
            target,
            coupon_id: coupon_id.into(),
            members,
            clients: 256,
            double_click: 0.1,
            member_prefix: "member-".to_owned(),
            request_timeout: REQUEST_TIMEOUT,
            patience: Patience::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), RaceError> {
        let prefix = &self.member_prefix;
        if !is_coupon_id(&self.coupon_id) {
            return Err(RaceError::CouponId(self.coupon_id.clone()));
        }
        if self.clients == 0 || self.patience.attempts == 0 {
            return Err(RaceError::Nobody);
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

    /// Whether member `number` clicks twice: true for exactly that part of any run of members.
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
    fn the_defaults_are_a_race() {
        config().check().unwrap();
    }

    #[test]
    fn what_cannot_be_a_race_is_refused() {
        let refused = |change: fn(&mut RaceConfig)| {
            let mut config = config();
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(matches!(refused(|c| c.coupon_id = "../x".into()), RaceError::CouponId(_)));
        assert!(matches!(refused(|c| c.clients = 0), RaceError::Nobody));
        assert!(matches!(refused(|c| c.patience.attempts = 0), RaceError::Nobody));
        assert!(matches!(refused(|c| c.double_click = 1.1), RaceError::DoubleClick(_)));
        assert!(matches!(refused(|c| c.double_click = f64::NAN), RaceError::DoubleClick(_)));
        assert!(matches!(refused(|c| c.member_prefix = "x".repeat(109)), RaceError::MemberPrefix(_)));
        assert!(matches!(refused(|c| c.member_prefix = "a\nb".into()), RaceError::MemberPrefix(_)));
    }

    #[test]
    fn the_asked_part_of_the_members_clicks_twice() {
        for (part, expected) in [(0.0, 0), (0.1, 100), (0.5, 500), (1.0, 1_000)] {
            let config = RaceConfig { double_click: part, ..config() };
            let twice = (0..1_000).filter(|&n| config.clicks_twice(n)).count();
            assert_eq!(twice, expected, "{part}");
        }
    }
}
