//! Parsing `OPENRUN_RATE_LIMIT`.

use std::str::FromStr;
use std::time::Duration;

/// Upper bound of a bucket's size, and of the tokens that come back in a unit of time.
const TOKENS_MAX: u32 = 1_000_000;

/// Size and refill of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// Time from one token to the next.
    pub(super) period: Duration,
    /// Size of the bucket, at least 1.
    pub(super) burst: u32,
}

impl Rate {
    /// The time in which an empty bucket fills, in seconds.
    pub(super) fn window_s(self) -> u64 {
        let window = self.period.saturating_mul(self.burst);
        window.as_secs() + u64::from(window.subsec_nanos() > 0)
    }
}

/// The rate limits of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// All clients at one address together.
    pub(super) address: Option<Rate>,
    /// One member at one address.
    pub(super) member: Option<Rate>,
    pub(super) limits_loopback: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RatesError {
    #[error("'{0}' is not a rate limit: write 'off', or for example {example}", example = RateLimits::DEFAULT)]
    Part(String),
    #[error(
        "'{0}' is not a rate: write tokens per second (s), minute (m) or hour (h), then the size of the bucket, for \
         example 50/s:100, each from 1 to 1000000"
    )]
    Rate(String),
    #[error("'{0}' is given twice: give it once")]
    Twice(String),
    #[error("there is neither address= nor member=: give at least one of them, or write 'off'")]
    Nothing,
}

impl RateLimits {
    /// The default leaves room for a crowd behind one address, ten thousand requests at once and a thousand a second
    /// after that, and for a member who clicks as fast as a hand can.
    pub const DEFAULT: &'static str = "address=1000/s:10000,member=5/s:10";

    pub const OFF: Self = Self { address: None, member: None, limits_loopback: false };
}

impl FromStr for RateLimits {
    type Err = RatesError;

    fn from_str(text: &str) -> Result<Self, RatesError> {
        let text = if text.trim().is_empty() { Self::DEFAULT } else { text.trim() };
        if text == "off" {
            return Ok(Self::OFF);
        }
        let (mut address, mut member, mut loopback) = (None, None, None);
        for part in text.split(',').map(str::trim) {
            let unknown = || RatesError::Part(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(unknown)?;
            let is_given_twice = match (name, value) {
                ("address", _) => address.replace(rate(value)?).is_some(),
                ("member", _) => member.replace(rate(value)?).is_some(),
                ("loopback", "limited") => loopback.replace(true).is_some(),
                ("loopback", "exempt") => loopback.replace(false).is_some(),
                _ => return Err(unknown()),
            };
            if is_given_twice {
                return Err(RatesError::Twice(name.to_owned()));
            }
        }
        if address.is_none() && member.is_none() {
            return Err(RatesError::Nothing);
        }
        Ok(Self { address, member, limits_loopback: loopback.unwrap_or(false) })
    }
}

/// Parses `50/s:100` or `50/s`, which is the same as `50/s:50`.
fn rate(text: &str) -> Result<Rate, RatesError> {
    let parse = || {
        let (rate, burst) = text.split_once(':').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
        let (tokens, unit) = rate.split_once('/')?;
        let tokens = count(tokens)?;
        let unit = Duration::from_secs(match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return None,
        });
        Some(Rate { period: unit / tokens, burst: burst.map_or(Some(tokens), count)? })
    };
    parse().ok_or_else(|| RatesError::Rate(text.to_owned()))
}

/// Parses digits alone: `u32::from_str` also takes a plus sign.
fn count(text: &str) -> Option<u32> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
    (1..=TOKENS_MAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::{Duration, Rate, RateLimits, RatesError};

    fn rate(period_us: u64, burst: u32) -> Option<Rate> {
        Some(Rate { period: Duration::from_micros(period_us), burst })
    }

    #[test]
    fn limits_and_default_are_parsed() {
        let parse = |text: &str| text.parse::<RateLimits>().unwrap();
        assert_eq!(parse("off"), RateLimits::OFF);
        let both =
            RateLimits { address: rate(20_000, 100), member: rate(200_000, 10), limits_loopback: false };
        assert_eq!(parse("address=50/s:100,member=5/s:10"), both);
        assert_eq!(parse(" member=5/s:10 , address=50/s:100 , loopback=exempt"), both);
        let members = RateLimits { address: None, member: rate(1_000_000, 60), limits_loopback: true };
        assert_eq!(parse("member=60/m,loopback=limited"), members);
        assert_eq!(parse("address=3600/h:1").address, rate(1_000_000, 1));
        assert_eq!(parse(""), parse(RateLimits::DEFAULT));
    }

    #[test]
    fn malformed_limits_are_refused() {
        let error = |text: &str| text.parse::<RateLimits>().unwrap_err();
        for text in ["on", "0", "address", "ip=5/s", "loopback=yes", "off,member=5/s", ",", "address=5/s,"] {
            assert!(matches!(error(text), RatesError::Part(_)), "{text}: {}", error(text));
        }
        for text in [
            "5",
            "5/d",
            "5/s:",
            "/s",
            "0/s",
            "5/s:0",
            "-5/s",
            "+5/s",
            "5.5/s",
            "1000001/s",
            "5/s:1000001",
            "",
        ] {
            let text = format!("member={text}");
            assert!(matches!(error(&text), RatesError::Rate(_)), "{text}: {}", error(&text));
        }
        assert_eq!(error("member=5/s,member=5/s"), RatesError::Twice("member".into()));
        assert_eq!(error("loopback=limited"), RatesError::Nothing);
    }

    #[test]
    fn the_window_is_the_time_in_which_an_empty_bucket_fills() {
        let window_s = |text: &str| text.parse::<RateLimits>().unwrap().member.unwrap().window_s();
        assert_eq!(window_s("member=5/s:10"), 2);
        assert_eq!(window_s("member=1000/s:1"), 1);
        assert_eq!(window_s("member=1/h:1000000"), 3_600_000_000);
    }
}
