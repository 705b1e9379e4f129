//! Reads what the scripts answer. Whatever does not fit is [`EngineError::Corrupt`]: never a guess.

use std::vec;

use redis::{FromRedisValue, Value, from_redis_value};

use super::epoch;
use crate::domain::{Grant, Inventory, Lifecycle, SalePeriod, Standing, Timestamp};
use crate::ports::{EngineError, Epoch};

/// An answer of a script, read from front to back.
#[derive(Debug)]
pub(super) struct Reply(vec::IntoIter<Value>);

/// A coupon as a script saw it.
#[derive(Debug)]
pub(super) struct Seen {
    /// Which life of the coupon it is.
    pub(super) epoch: Epoch,
    /// How it stands.
    pub(super) standing: Standing,
}

impl Reply {
    /// The rest of an answer that begins with `OK`.
    pub(super) fn accepted(value: Value) -> Result<Self, EngineError> {
        match Self::judged(value)? {
            (word, reply) if word == "OK" => Ok(reply),
            (word, _) => Err(corrupt(&format!("a script began its answer with {word:?}"))),
        }
    }

    /// The first word and the rest of an answer, unless it is one of the refusals that every script may give.
    pub(super) fn judged(value: Value) -> Result<(String, Self), EngineError> {
        let Value::Array(values) = value else { return Err(corrupt("a script answered no list")) };
        let mut reply = Self(values.into_iter());
        let word: String = reply.next()?;
        match word.as_str() {
            "UNKNOWN" => Err(EngineError::UnknownCoupon),
            "FENCED" => Err(EngineError::Fenced(reply.next()?)),
            "CORRUPT" => Err(EngineError::Corrupt(reply.next()?)),
            _ => Ok((word, reply)),
        }
    }

    /// The next value.
    pub(super) fn next<T: FromRedisValue>(&mut self) -> Result<T, EngineError> {
        let value = self.0.next().ok_or_else(|| corrupt("a script's answer ended too soon"))?;
        from_redis_value(value).map_err(|error| EngineError::Corrupt(error.to_string()))
    }

    /// What is left, as it came.
    pub(super) fn rest(self) -> vec::IntoIter<Value> {
        self.0
    }

    /// The coupon, which every script tells in the same words.
    pub(super) fn coupon(&mut self) -> Result<Seen, EngineError> {
        let epoch = epoch::parse(&self.next::<String>()?)?;
        let (total, stock): (u32, u32) = (self.next()?, self.next()?);
        let (opens_at_ms, closes_at): (i64, String) = (self.next()?, self.next()?);
        let (lifecycle, now_ms): (String, i64) = (self.next()?, self.next()?);

        let issued = total.checked_sub(stock).ok_or_else(|| corrupt("more are left than exist"))?;
        let inventory = Inventory::with_issued(total, issued).map_err(corrupt_because)?;
        let closes_at = match closes_at.as_str() {
            "" => None,
            digits => Some(Timestamp::from_ms(digits.parse().map_err(corrupt_because)?)),
        };
        let window = SalePeriod::new(Timestamp::from_ms(opens_at_ms), closes_at).map_err(corrupt_because)?;
        let lifecycle =
            Lifecycle::parse(&lifecycle).ok_or_else(|| corrupt("the lifecycle is no known word"))?;
        let now = Timestamp::from_ms(now_ms);
        Ok(Seen { epoch, standing: Standing { inventory, window, lifecycle, now } })
    }
}

/// What a member holds, as the participants keep it: `sequence issued_at_ms`.
pub(super) fn grant(text: &str) -> Result<Grant, EngineError> {
    let numbers = text.split_once(' ').and_then(|(sequence, issued_at_ms)| {
        Some((sequence.parse().ok().filter(|s| *s > 0)?, issued_at_ms.parse().ok()?))
    });
    match numbers {
        Some((sequence, ms)) => Ok(Grant { sequence, issued_at: Timestamp::from_ms(ms) }),
        None => Err(corrupt(&format!("a participant holds {text:?}"))),
    }
}

/// Something that cannot be.
pub(super) fn corrupt(what: &str) -> EngineError {
    EngineError::Corrupt(what.to_owned())
}

/// Something that cannot be, by an error that says why.
pub(super) fn corrupt_because(error: impl std::error::Error) -> EngineError {
    EngineError::Corrupt(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{EngineError, Reply, Value, grant};

    fn answer(words: &[&str]) -> Value {
        Value::Array(words.iter().map(|word| Value::BulkString(word.as_bytes().to_vec())).collect())
    }

    #[test]
    fn a_coupon_is_read() {
        let value = answer(&["OK", "1700000000000", "10", "4", "5", "", "active", "7"]);
        let seen = Reply::accepted(value).unwrap().coupon().unwrap();
        assert_eq!((seen.epoch, seen.standing.inventory.issued()), (1_700_000_000_000, 6));
        assert_eq!((seen.standing.window.closes_at(), seen.standing.now.as_ms()), (None, 7));
    }

    #[test]
    fn refusals_are_told_apart() {
        let judged = |words: &[&str]| Reply::accepted(answer(words)).unwrap_err();
        assert!(matches!(judged(&["UNKNOWN"]), EngineError::UnknownCoupon));
        assert!(matches!(judged(&["FENCED", "why"]), EngineError::Fenced(why) if why == "why"));
        assert!(matches!(judged(&["CORRUPT", "why"]), EngineError::Corrupt(why) if why == "why"));
    }

    #[test]
    fn what_does_not_fit_is_corrupt() {
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
            let read = Reply::accepted(answer(words)).and_then(|mut reply| reply.coupon());
            assert!(matches!(read, Err(EngineError::Corrupt(_))), "{words:?}");
        }
        for text in ["", "1", "0 5", "x 5", "1 x", "1  5"] {
            assert!(matches!(grant(text), Err(EngineError::Corrupt(_))), "{text:?}");
        }
    }
}
