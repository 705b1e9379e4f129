//! The names of what is kept in Redis.

use crate::domain::CouponId;

/// A counter that grows with every change an operator makes, so that nodes notice by one cheap question.
pub(super) const REVISION: &str = "openrun:revision";

/// The keys of one coupon, in the order in which every script takes them. The braces put all four into one slot of a
/// cluster; an id cannot contain any itself.
pub(super) fn of_coupon(coupon: &CouponId) -> [String; 4] {
    ["meta", "stock", "participants", "outbox"].map(|part| format!("coupon:{{{coupon}}}:{part}"))
}

/// The key of the coupon's description, which alone is read without a script.
pub(super) fn meta(coupon: &CouponId) -> String {
    let [meta, ..] = of_coupon(coupon);
    meta
}

/// What the keys of all descriptions are like.
pub(super) const ALL_META: &str = "coupon:{*}:meta";

/// The coupon whose description this is the key of; `None` for a key of somebody else's.
pub(super) fn coupon_of_meta(key: &str) -> Option<CouponId> {
    let id = key.strip_prefix("coupon:{")?.strip_suffix("}:meta")?;
    CouponId::parse(id).ok()
}

/// The key of who holds what, which is also read without a script by who has the lock.
pub(super) fn participants(coupon: &CouponId) -> String {
    let [_, _, participants, _] = of_coupon(coupon);
    participants
}

/// The key of the lock under which `redis-lock` decides.
pub(super) fn lock(coupon: &CouponId) -> String {
    format!("coupon:{{{coupon}}}:lock")
}

/// The key of how often that lock has been taken.
pub(super) fn turn(coupon: &CouponId) -> String {
    format!("coupon:{{{coupon}}}:turn")
}

#[cfg(test)]
mod tests {
    use super::{CouponId, coupon_of_meta, lock, meta, of_coupon, participants, turn};

    #[test]
    fn the_keys_are_those_of_the_contract() {
        let coupon = CouponId::parse("drop-1").unwrap();
        assert_eq!(meta(&coupon), "coupon:{drop-1}:meta");
        assert_eq!(coupon_of_meta(&meta(&coupon)), Some(coupon.clone()));
        assert_eq!(coupon_of_meta("coupon:{no id}:meta"), None);
        assert_eq!(participants(&coupon), "coupon:{drop-1}:participants");
        assert_eq!(
            (lock(&coupon), turn(&coupon)),
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
