//! Timestamps. The domain never reads a clock: callers pass them in.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The last millisecond of the year 9999, the latest that RFC 3339 can express.
const LATEST_MS: i64 = 253_402_300_799_999;

/// A text or number that is not a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in RFC 3339, such as 2026-11-21T09:00:00+09:00, from 1970 to 9999")]
pub struct TimestampError;

/// A moment with millisecond precision, from 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `ms` milliseconds after 1970-01-01T00:00:00Z, clamped to the range.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        Self(ms.clamp(0, LATEST_MS))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn as_ms(self) -> i64 {
        self.0
    }

    /// The moment `ms` milliseconds later, or earlier if `ms` is negative.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment, never negative.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0 - earlier.0).unwrap_or(0)
    }

    /// Parses an RFC 3339 text from 1970 to 9999; digits beyond milliseconds are cut off.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampError)?;
        let ms =
            i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).map_err(|_| TimestampError)?;
        if (0..=LATEST_MS).contains(&ms) { Ok(Self(ms)) } else { Err(TimestampError) }
    }
}

impl fmt::Display for Timestamp {
    /// Always UTC with three digits of a second, so that texts sort like the moments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text().ok_or(fmt::Error)?).map_err(|_| fmt::Error)?)
    }
}

impl Timestamp {
    /// Formats by hand, because every answer and event has timestamps and the `time` crate takes several times as long.
    fn text(self) -> Option<[u8; 24]> {
        let moment = OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1_000)).ok()?;
        let (date, time) = (moment.date(), moment.time());
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |from: usize, digits: usize, mut number: u32| {
            for digit in text[from..from + digits].iter_mut().rev() {
                *digit += (number % 10) as u8;
                number /= 10;
            }
        };
        put(0, 4, u32::try_from(date.year()).ok()?);
        put(5, 2, u8::from(date.month()).into());
        put(8, 2, date.day().into());
        put(11, 2, time.hour().into());
        put(14, 2, time.minute().into());
        put(17, 2, time.second().into());
        put(20, 3, u32::try_from(self.0.rem_euclid(1_000)).ok()?);
        Some(text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text().ok_or_else(|| ser::Error::custom(TimestampError))?;
        serializer.serialize_str(std::str::from_utf8(&text).map_err(ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LATEST_MS, Timestamp};

    #[test]
    fn any_offset_is_parsed_and_utc_is_formatted() {
        let moment = Timestamp::parse("2026-11-21T09:00:00.1239+09:00").unwrap();
        assert_eq!(moment.to_string(), "2026-11-21T00:00:00.123Z");
    }

    #[test]
    fn invalid_and_out_of_range_texts_are_refused() {
        for bad in
            ["", "tomorrow", "2026-11-21", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "1700000000"]
        {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_formatted_timestamp_is_parsed_to_the_same_value(ms in 0..=LATEST_MS) {
            let moment = Timestamp::from_ms(ms);
            prop_assert_eq!(Timestamp::parse(&moment.to_string()).unwrap(), moment);
        }
    }
}
