//! The keys in Redis.

use crate::domain::CouponId;

/// A counter that grows with every change by an operator. Nodes detect changes by reading it alone.
pub(super) const REVISION: &str = "openrun:revision";

/// The keys of one coupon, in the order of every script's KEYS. The braces put all four into one slot of a cluster; an
/// id contains no braces.
pub(super) fn of_coupon(coupon: &CouponId) -> [String; 4] {
    ["meta", "stock", "participants", "outbox"].map(|part| format!("coupon:{{{coupon}}}:{part}"))
}

/// The meta hash; its epoch is also read without a script.
pub(super) fn meta(coupon: &CouponId) -> String {
    let [meta, ..] = of_coupon(coupon);
    meta
}

/// The pattern of all meta hashes.
pub(super) const ALL_META: &str = "coupon:{*}:meta";

/// Parses the key of a meta hash; `None` for a key that openrun does not write.
pub(super) fn coupon_of_meta(key: &str) -> Option<CouponId> {
    let id = key.strip_prefix("coupon:{")?.strip_suffix("}:meta")?;
    CouponId::parse(id).ok()
}

/// The hash of holders, which the holder of the lock also reads without a script.
pub(super) fn participants(coupon: &CouponId) -> String {
    let [_, _, participants, _] = of_coupon(coupon);
    participants
}

/// The lock under which `redis-lock` decides.
pub(super) fn lock(coupon: &CouponId) -> String {
    format!("coupon:{{{coupon}}}:lock")
}

/// The counter that gives the fencing tokens of that lock.
pub(super) fn fencing_token(coupon: &CouponId) -> String {
    format!("coupon:{{{coupon}}}:turn")
}

#[cfg(test)]
mod tests {
    use super::{CouponId, coupon_of_meta, fencing_token, lock, meta, of_coupon, participants};

    #[test]
    fn the_keys_are_those_of_the_contract() {
        let coupon = CouponId::parse("drop-1").unwrap();
        assert_eq!(meta(&coupon), "coupon:{drop-1}:meta");
        assert_eq!(coupon_of_meta(&meta(&coupon)), Some(coupon.clone()));
        assert_eq!(coupon_of_meta("coupon:{no id}:meta"), None);
        assert_eq!(participants(&coupon), "coupon:{drop-1}:participants");
        assert_eq!(
            (lock(&coupon), fencing_token(&coupon)),
            ("coupon:{drop-1}:lock".into(), "coupon:{drop-1}:turn".into())
        );
        assert_eq!(
            of_coupon(&coupon),
            [
                "coupon:{drop-1}:meta",
                "coupon:{drop-1}:stock",
                "coupon:{drop-1}:participants",
                "coupon:{drop-1}:outbox"
            ]
        );
    }
}
