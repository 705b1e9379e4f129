//! Parses the answers of the scripts. Anything unexpected is [`EngineError::Corrupt`], never a guess.

use std::vec;

use redis::{FromRedisValue, Value, from_redis_value};

use super::epoch;
use crate::domain::{Grant, Inventory, Lifecycle, SalePeriod, Standing, Timestamp};
use crate::ports::{EngineError, Epoch};

/// An answer of a script, read from front to back.
#[derive(Debug)]
pub(super) struct Reply(vec::IntoIter<Value>);

/// A coupon at the moment of a script.
#[derive(Debug)]
pub(super) struct CouponState {
    pub(super) epoch: Epoch,
    pub(super) standing: Standing,
}

impl Reply {
    /// The rest of an answer that begins with `OK`.
    pub(super) fn expect_ok(value: Value) -> Result<Self, EngineError> {
        let (status, reply) = Self::split_status(value)?;
        if status == "OK" { Ok(reply) } else { Err(unexpected_status(&status)) }
    }

    /// The status and the rest of an answer. The refusals that every script may give become errors.
    pub(super) fn split_status(value: Value) -> Result<(String, Self), EngineError> {
        let Value::Array(values) = value else { return Err(corrupt("a script's answer is not a list")) };
        let mut reply = Self(values.into_iter());
        let status: String = reply.next()?;
        match status.as_str() {
            "UNKNOWN" => Err(EngineError::UnknownCoupon),
            "FENCED" => Err(EngineError::Fenced(reply.next()?)),
            "CORRUPT" => Err(EngineError::Corrupt(reply.next()?)),
            _ => Ok((status, reply)),
        }
    }

    pub(super) fn next<T: FromRedisValue>(&mut self) -> Result<T, EngineError> {
        let value = self.0.next().ok_or_else(|| corrupt("a script's answer ended too soon"))?;
        from_redis_value(value).map_err(|error| EngineError::Corrupt(error.to_string()))
    }

    pub(super) fn rest(self) -> vec::IntoIter<Value> {
        self.0
    }

    /// The coupon, in the format that all scripts share (`ok` in `lua/coupon.lua`).
    pub(super) fn coupon(&mut self) -> Result<CouponState, EngineError> {
        let epoch = epoch::parse(&self.next::<String>()?)?;
        let (total, stock): (u32, u32) = (self.next()?, self.next()?);
        let (opens_at_ms, closes_at): (i64, String) = (self.next()?, self.next()?);
        let (lifecycle, now_ms): (String, i64) = (self.next()?, self.next()?);

        let issued = total.checked_sub(stock).ok_or_else(|| corrupt("the stock is above the total"))?;
        let inventory = Inventory::with_issued(total, issued).map_err(corrupt_because)?;
        let closes_at = match closes_at.as_str() {
            "" => None,
            digits => Some(Timestamp::from_ms(digits.parse().map_err(corrupt_because)?)),
        };
        let window = SalePeriod::new(Timestamp::from_ms(opens_at_ms), closes_at).map_err(corrupt_because)?;
        let lifecycle = Lifecycle::parse(&lifecycle).ok_or_else(|| corrupt("the lifecycle is unknown"))?;
        let now = Timestamp::from_ms(now_ms);
        Ok(CouponState { epoch, standing: Standing { inventory, window, lifecycle, now } })
    }
}

/// Parses a value of the participants hash: `sequence issued_at_ms`.
pub(super) fn parse_grant(text: &str) -> Result<Grant, EngineError> {
    let numbers = text.split_once(' ').and_then(|(sequence, issued_at_ms)| {
        Some((sequence.parse().ok().filter(|s| *s > 0)?, issued_at_ms.parse().ok()?))
    });
    match numbers {
        Some((sequence, ms)) => Ok(Grant { sequence, issued_at: Timestamp::from_ms(ms) }),
        None => Err(corrupt(&format!("the issuance {text:?} of a participant cannot be read"))),
    }
}

pub(super) fn unexpected_status(status: &str) -> EngineError {
    corrupt(&format!("a script answered with the unexpected status {status:?}"))
}

pub(super) fn corrupt(reason: &str) -> EngineError {
    EngineError::Corrupt(reason.to_owned())
}

pub(super) fn corrupt_because(error: impl std::error::Error) -> EngineError {
    EngineError::Corrupt(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{EngineError, Reply, Value, parse_grant};

    fn answer(words: &[&str]) -> Value {
        Value::Array(words.iter().map(|word| Value::BulkString(word.as_bytes().to_vec())).collect())
    }

    #[test]
    fn a_coupon_is_read() {
        let value = answer(&["OK", "1700000000000", "10", "4", "5", "", "active", "7"]);
        let state = Reply::expect_ok(value).unwrap().coupon().unwrap();
        assert_eq!((state.epoch, state.standing.inventory.issued()), (1_700_000_000_000, 6));
        assert_eq!((state.standing.window.closes_at(), state.standing.now.as_ms()), (None, 7));
    }

    #[test]
    fn each_refusal_has_its_own_error() {
        let error = |words: &[&str]| Reply::expect_ok(answer(words)).unwrap_err();
        assert!(matches!(error(&["UNKNOWN"]), EngineError::UnknownCoupon));
        assert!(matches!(error(&["FENCED", "why"]), EngineError::Fenced(why) if why == "why"));
        assert!(matches!(error(&["CORRUPT", "why"]), EngineError::Corrupt(why) if why == "why"));
    }

    #[test]
    fn an_unexpected_answer_is_corrupt() {
        for words in [
            &[][..],
            &["HELLO"],
            &["OK", "1", "10"],
            &["OK", "1", "10", "11", "5", "", "active", "7"],
            &["OK", "9223372036854775807", "10", "4", "5", "", "active", "7"],
            &["OK", "1", "0", "0", "5", "", "active", "7"],
            &["OK", "1", "10", "4", "5", "5", "active", "7"],
            &["OK", "1", "10", "4", "5", "", "asleep", "7"],
        ] {
            let result = Reply::expect_ok(answer(words)).and_then(|mut reply| reply.coupon());
            assert!(matches!(result, Err(EngineError::Corrupt(_))), "{words:?}");
        }
        for text in ["", "1", "0 5", "x 5", "1 x", "1  5"] {
            assert!(matches!(parse_grant(text), Err(EngineError::Corrupt(_))), "{text:?}");
        }
    }
}
