//! Which numbers can be the epoch of a coupon. The scripts have the same bound (`lua/coupon.lua`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::reply::corrupt;
use crate::ports::{EngineError, Epoch};

/// How far an epoch may be ahead of the clock: a hundred years. An epoch is the moment of a loading, or one more than the
/// epoch before, so that one beyond was written by hand. Who adopted it could not tell a later one from it, because above
/// 2^53 the next number is the same again for Lua, and above 2^63 for the database. The bound moves on with the clock, so
/// that there is always a next epoch.
const AHEAD_MAX: Duration = Duration::from_millis(3_155_760_000_000);

/// The epoch that `digits` say.
///
/// # Errors
/// [`EngineError::Corrupt`] if that can be none.
pub(super) fn parse(digits: &str) -> Result<Epoch, EngineError> {
    // Epochs are compared as they are written, so there is one way to write each.
    let written =
        digits.starts_with(|first| matches!(first, '1'..='9')).then(|| digits.parse().ok()).flatten();
    let epoch = written.filter(|epoch| believable(*epoch) != 0);
    epoch.ok_or_else(|| {
        corrupt(&format!("the epoch {digits:?} is no moment at which a coupon can have been loaded"))
    })
}

/// `epoch` if it can be one; 0, which stands for none, if it cannot.
pub(super) fn believable(epoch: Epoch) -> Epoch {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let latest_ms = (now + AHEAD_MAX).as_millis();
    if u128::from(epoch) <= latest_ms { epoch } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::{EngineError, believable, parse};

    #[test]
    fn a_moment_is_an_epoch() {
        assert_eq!(parse("1700000000000").unwrap(), 1_700_000_000_000);
        assert_eq!(parse("1").unwrap(), 1);
        // Ninety years from now: somebody's clock was wrong once.
        assert_eq!(believable(4_500_000_000_000), 4_500_000_000_000);
    }

    #[test]
    fn what_can_be_no_moment_is_no_epoch() {
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
        assert_eq!((believable(u64::MAX), believable(1 << 53), believable(0)), (0, 0, 0));
    }
}
