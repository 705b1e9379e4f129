//! The code of an issued coupon: derived, so that every node, retry and rebuild computes the same code; and keyed, so that
//! codes cannot be guessed.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::ids::{CouponId, MemberId};

/// Crockford's base 32: without I, L, O and U, which are easily misread (<https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Twenty characters of five bits: 100 bits, beyond guessing and beyond a chance collision.
const CODE_CHARS: usize = 20;
/// Characters between two dashes.
const GROUP: usize = 5;

/// The secret from which the codes of a coupon are derived. Its `Debug` output hides the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeSalt([u8; 32]);

impl CodeSalt {
    /// A salt of these bytes, which must come from a secure source.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for storage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The code of `member` for `coupon`: the first 100 bits, in Crockford's base 32, of the HMAC-SHA-256 (RFC 2104) with
    /// this salt as key over the coupon's id, a zero byte (which ids cannot contain) and the member's id.
    #[must_use]
    pub fn code(&self, coupon: &CouponId, member: &MemberId) -> IssueCode {
        // An HMAC accepts keys of any length; the error exists for other algorithms.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("any key length fits")
        };
        mac.update(coupon.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(member.as_str().as_bytes());
        IssueCode(encode(&mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for CodeSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeSalt(secret)")
    }
}

fn encode(digest: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(CODE_CHARS + CODE_CHARS / GROUP);
    let mut bits = 0u32;
    let mut unread_bits = 0u32;
    let mut bytes = digest.iter();
    for index in 0..CODE_CHARS {
        if unread_bits < 5 {
            bits = (bits << 8) | u32::from(*bytes.next().unwrap_or(&0));
            unread_bits += 8;
        }
        unread_bits -= 5;
        if index > 0 && index % GROUP == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[((bits >> unread_bits) & 31) as usize]));
    }
    text.into()
}

/// The code of an issued coupon, such as `7ZQ4M-0RBX2-9KD3H-VWC81`; also the issuance's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssueCode(Box<str>);

impl IssueCode {
    /// Parses a stored or received code; `None` if its form is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_dash = |index: usize| index % (GROUP + 1) == GROUP;
        let valid = text.len() == CODE_CHARS + CODE_CHARS / GROUP - 1
            && text
                .bytes()
                .enumerate()
                .all(|(i, b)| if is_dash(i) { b == b'-' } else { ALPHABET.contains(&b) });
        valid.then(|| Self(text.into()))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssueCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{CodeSalt, CouponId, IssueCode, MemberId, encode};

    fn code(salt: u8, coupon: &str, member: &str) -> IssueCode {
        let salt = CodeSalt::from_bytes([salt; 32]);
        salt.code(&CouponId::parse(coupon).unwrap(), &MemberId::parse(member).unwrap())
    }

    #[test]
    fn the_same_coupon_and_member_give_the_same_code() {
        assert_eq!(code(1, "drop", "kim"), code(1, "drop", "kim"));
    }

    #[test]
    fn another_salt_coupon_or_member_gives_another_code() {
        let one = code(1, "drop", "kim");
        for other in [code(2, "drop", "kim"), code(1, "drop2", "kim"), code(1, "drop", "lee")] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn only_well_formed_codes_are_parsed() {
        let text = code(1, "drop", "kim").to_string();
        assert_eq!(IssueCode::parse(&text).unwrap().as_str(), text);
        let dashless = text.replace('-', "");
        for bad in ["", &text[1..], &text.to_lowercase(), &dashless, &text.replace('-', "_")] {
            assert_eq!(IssueCode::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn bits_are_taken_from_the_front() {
        assert_eq!(&*encode(&[0xff; 32]), "ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ");
        assert_eq!(&*encode(&[0b0000_1000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "10000-00000-00000-00000");
    }

    #[test]
    fn a_salt_does_not_show() {
        assert_eq!(format!("{:?}", CodeSalt::from_bytes([7; 32])), "CodeSalt(secret)");
    }
}
