//! The range of valid epochs. The scripts have the same bound (`lua/coupon.lua`).

use super::reply::corrupt;
use crate::clock;
use crate::ports::{EngineError, Epoch};

/// A hundred years: how far an epoch may be ahead of the clock. An epoch is the moment of a loading, or the previous
/// epoch plus one, so a number beyond the bound was written by hand. It must be refused: above 2^53 adding one gives
/// the same number in Lua, and above 2^63 the database cannot hold it, so a later epoch could not be distinguished. The
/// bound moves with the clock, so a next epoch always exists.
const AHEAD_MAX_MS: i64 = 3_155_760_000_000;

/// Parses an epoch.
///
/// # Errors
/// [`EngineError::Corrupt`] if `digits` are not a valid epoch.
pub(super) fn parse(digits: &str) -> Result<Epoch, EngineError> {
    // Scripts compare epochs as text, so each must have one spelling: no leading zero or sign.
    let number =
        digits.starts_with(|first| matches!(first, '1'..='9')).then(|| digits.parse().ok()).flatten();
    let epoch = number.filter(|epoch| valid_or_zero(*epoch) != 0);
    epoch.ok_or_else(|| corrupt(&format!("the epoch {digits:?} is not a possible time of loading")))
}

/// `epoch` if it is valid; otherwise 0, which stands for no epoch.
pub(super) fn valid_or_zero(epoch: Epoch) -> Epoch {
    let latest_ms = clock::now().as_ms().saturating_add(AHEAD_MAX_MS);
    if i64::try_from(epoch).is_ok_and(|epoch_ms| epoch_ms <= latest_ms) { epoch } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::{EngineError, parse, valid_or_zero};

    #[test]
    fn a_moment_is_an_epoch() {
        assert_eq!(parse("1700000000000").unwrap(), 1_700_000_000_000);
        assert_eq!(parse("1").unwrap(), 1);
        // Far in the future, as after a loading with a wrong clock.
        assert_eq!(valid_or_zero(4_500_000_000_000), 4_500_000_000_000);
    }

    #[test]
    fn an_impossible_moment_is_no_epoch() {
        for digits in [
            "",
            "0",
            "-1",
            "+1",
            "01",
            "soon",
            "9007199254740992",
            "9223372036854775807",
            "99999999999999999999",
        ] {
            assert!(matches!(parse(digits), Err(EngineError::Corrupt(_))), "{digits:?}");
        }
        assert_eq!((valid_or_zero(u64::MAX), valid_or_zero(1 << 53), valid_or_zero(0)), (0, 0, 0));
    }
}
