//! The clock of this machine, in the domain's timestamps.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// The present moment; a clock before 1970 counts as 1970.
#[must_use]
pub fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

/// `moment` as a timestamp.
#[must_use]
pub fn timestamp(moment: SystemTime) -> Timestamp {
    let since_epoch = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
