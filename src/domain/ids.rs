//! The identifiers that callers send. Parsing checks them, so that every value of these types is valid.

use std::fmt;
use std::sync::Arc;

use super::text::is_printable;

/// The longest coupon id, in characters.
const COUPON_ID_MAX: usize = 64;
/// The longest member id, in characters.
const MEMBER_ID_MAX: usize = 128;

/// A text that is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Coupon ids are restricted to characters that are safe in keys, paths and file names.
    #[error("a coupon id is 1 to {COUPON_ID_MAX} characters of A-Z, a-z, 0-9, '_' and '-'")]
    Coupon,
    /// Member ids come from other systems and may have any printable characters.
    #[error("a member id is 1 to {MEMBER_ID_MAX} printable characters")]
    Member,
}

/// A coupon's id: `^[A-Za-z0-9_-]{1,64}$`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CouponId(Arc<str>);

impl CouponId {
    /// Parses a coupon id.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let fits = (1..=COUPON_ID_MAX).contains(&text.len());
        let valid = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if fits && valid { Ok(Self(text.into())) } else { Err(IdError::Coupon) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CouponId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A member's id: 1 to 128 printable characters, compared without normalisation. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(Arc<str>);

impl MemberId {
    /// Parses a member id.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        // A character has at most four bytes: the byte length rules out huge texts before their characters are counted.
        let short =
            !text.is_empty() && text.len() <= MEMBER_ID_MAX * 4 && text.chars().count() <= MEMBER_ID_MAX;
        if short && text.chars().all(is_printable) { Ok(Self(text.into())) } else { Err(IdError::Member) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{CouponId, IdError, MemberId};

    #[test]
    fn a_coupon_id_has_safe_characters_only() {
        for good in ["a", "A-1_z", &"x".repeat(64)] {
            assert_eq!(CouponId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a}", "{a", "a:b", "a/b", "쿠폰", "a\n", &"x".repeat(65)] {
            assert_eq!(CouponId::parse(bad), Err(IdError::Coupon), "{bad:?}");
        }
    }

    #[test]
    fn a_member_id_is_counted_in_characters_not_bytes() {
        assert!(MemberId::parse(&"한".repeat(128)).is_ok());
        assert_eq!(MemberId::parse(&"한".repeat(129)), Err(IdError::Member));
    }

    #[test]
    fn a_member_id_has_printable_characters_only() {
        assert_eq!(MemberId::parse("user@example.com 7").unwrap().as_str(), "user@example.com 7");
        for bad in ["", "a\0b", "a\nb", "a\u{202e}b", "\u{200b}"] {
            assert_eq!(MemberId::parse(bad), Err(IdError::Member), "{bad:?}");
        }
    }
}
