//! The rules of terms and amendments.

use super::{Amendment, AmendmentError, Coupon, NewCoupon, Terms, TermsError};
use crate::domain::{
    CodeSalt, CouponId, Inventory, InventoryError, Lifecycle, SalePeriod, Standing, Timestamp,
};

fn coupon() -> Coupon {
    let new = NewCoupon {
        id: CouponId::parse("drop").unwrap(),
        terms: Terms::new("Drop", "", "30%").unwrap(),
        inventory: Inventory::new(10).unwrap(),
        window: SalePeriod::new(Timestamp::from_ms(100), None).unwrap(),
        valid_until: None,
    };
    Coupon::create(new, CodeSalt::from_bytes([1; 32]), Timestamp::from_ms(0)).unwrap()
}

fn standing(coupon: &Coupon, issued: u32) -> Standing {
    let inventory = Inventory::with_issued(10, issued).unwrap();
    Standing { inventory, ..coupon.standing(Timestamp::from_ms(150)) }
}

#[test]
fn terms_without_a_name_or_with_unprintable_characters_are_refused() {
    assert_eq!(Terms::new(" ", "", ""), Err(TermsError::Name));
    assert_eq!(Terms::new("a\nb", "", ""), Err(TermsError::Name));
    assert_eq!(Terms::new("a", "\u{0}", ""), Err(TermsError::Description));
    assert_eq!(Terms::new("a", "", &"9".repeat(201)), Err(TermsError::Discount));
    assert!(Terms::new("선착순", "line\nbreak", "30%").is_ok());
}

#[test]
fn the_total_may_change_while_issuing_but_never_below_issued() {
    let coupon = coupon();
    let resize = |total| Amendment { total: Some(total), ..Amendment::default() };
    assert_eq!(coupon.amend(&resize(20), &standing(&coupon, 4)).unwrap().inventory.total(), 20);
    assert_eq!(coupon.amend(&resize(4), &standing(&coupon, 4)).unwrap().inventory.remaining(), 0);
    let refused = coupon.amend(&resize(3), &standing(&coupon, 4));
    assert_eq!(refused, Err(AmendmentError::Inventory(InventoryError::BelowIssued { issued: 4 })));
}

#[test]
fn terms_sale_period_and_validity_freeze_with_the_first_issuance() {
    let coupon = coupon();
    let window = SalePeriod::new(Timestamp::from_ms(200), None).unwrap();
    for amendment in [
        Amendment { terms: Some(Terms::new("Other", "", "").unwrap()), ..Amendment::default() },
        Amendment { window: Some(window), ..Amendment::default() },
        Amendment { valid_until: Some(Some(Timestamp::from_ms(900))), ..Amendment::default() },
    ] {
        assert!(coupon.amend(&amendment, &standing(&coupon, 0)).is_ok());
        assert_eq!(coupon.amend(&amendment, &standing(&coupon, 1)), Err(AmendmentError::TermsFrozen));
    }
}

#[test]
fn an_amendment_to_the_same_terms_is_allowed_after_issuing_has_started() {
    let coupon = coupon();
    let same = Amendment { terms: Some(coupon.terms.clone()), ..Amendment::default() };
    assert!(coupon.amend(&same, &standing(&coupon, 1)).is_ok());
}

#[test]
fn a_closed_coupon_cannot_be_amended() {
    let closed = Coupon { lifecycle: Lifecycle::Closed, ..coupon() };
    let refused = closed.amend(&Amendment::default(), &standing(&closed, 0));
    assert_eq!(refused, Err(AmendmentError::Closed));
}

#[test]
fn validity_cannot_end_before_the_opening() {
    let coupon = coupon();
    let amendment = Amendment { valid_until: Some(Some(Timestamp::from_ms(100))), ..Amendment::default() };
    assert_eq!(coupon.amend(&amendment, &standing(&coupon, 0)), Err(AmendmentError::ValidBeforeOpening));
}
