//! The coupon of the unit tests.

use crate::domain::{CodeSalt, Coupon, CouponId, Inventory, Lifecycle, SalePeriod, Terms, Timestamp};

pub(super) fn sample_coupon(total: u32, window: SalePeriod) -> Coupon {
    Coupon {
        id: CouponId::parse("drop").unwrap(),
        terms: Terms::new("A coupon", "", "").unwrap(),
        inventory: Inventory::new(total).unwrap(),
        window,
        valid_until: None,
        lifecycle: Lifecycle::Active,
        salt: CodeSalt::from_bytes([7; 32]),
        created_at: Timestamp::from_ms(0),
    }
}
