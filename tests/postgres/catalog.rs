//! The catalogue keeps coupons as they are.

use openrun::domain::{CodeSalt, Coupon, Inventory, Lifecycle, Terms, Timestamp, Window};
use openrun::ports::{CatalogError, CouponCatalog, IssuanceStore};

use crate::fixtures::{Stage, coupon, id, issuances};

#[tokio::test]
async fn a_coupon_comes_back_as_it_was_to_the_millisecond() {
    let stage = Stage::new(10).await;
    let mut other = coupon("other", 3);
    other.window = Window::new(Timestamp::from_ms(0), None).unwrap();
    other.valid_until = None;
    other.terms = Terms::new("'; DROP TABLE coupons; --", "🎫\n\"", "").unwrap();
    stage.catalog.create(&other).await.unwrap();
    assert_eq!(stage.catalog.find(&id("other")).await.unwrap(), other);
    assert_eq!(stage.catalog.find(&id("drop")).await.unwrap(), coupon("drop", 10));
}

#[tokio::test]
async fn an_id_is_taken_once_and_a_missing_one_is_missing() {
    let stage = Stage::new(10).await;
    assert!(matches!(stage.catalog.create(&coupon("drop", 5)).await, Err(CatalogError::Exists)));
    assert_eq!(stage.catalog.find(&id("drop")).await.unwrap().inventory.total(), 10);
    assert!(matches!(stage.catalog.find(&id("nothing")).await, Err(CatalogError::Missing)));
    assert!(matches!(stage.catalog.save(&coupon("nothing", 5)).await, Err(CatalogError::Missing)));
}

#[tokio::test]
async fn saving_replaces_what_may_change_and_nothing_else() {
    let stage = Stage::new(10).await;
    let saved = Coupon {
        terms: Terms::new("Drop 2", "", "40%").unwrap(),
        inventory: Inventory::new(20).unwrap(),
        window: Window::new(Timestamp::from_ms(5), None).unwrap(),
        valid_until: None,
        lifecycle: Lifecycle::Closed,
        salt: CodeSalt::from_bytes([8; 32]),
        created_at: Timestamp::from_ms(9),
        ..coupon("drop", 10)
    };
    stage.catalog.save(&saved).await.unwrap();
    let before = coupon("drop", 10);
    let expected = Coupon { salt: before.salt, created_at: before.created_at, ..saved };
    assert_eq!(stage.catalog.find(&id("drop")).await.unwrap(), expected);
}

#[tokio::test]
async fn the_largest_sequence_counts_as_issued_and_bounds_the_total() {
    let stage = Stage::new(10).await;
    stage.store.insert(&issuances([1, 2, 5])).await.unwrap();
    assert_eq!(stage.catalog.find(&id("drop")).await.unwrap().inventory.issued(), 5);
    let refused = stage.catalog.save(&coupon("drop", 4)).await;
    assert!(matches!(&refused, Err(CatalogError::Refused(why)) if why.contains("sequence 5")), "{refused:?}");
}

#[tokio::test]
async fn pages_follow_the_order_of_ids_byte_by_byte() {
    let stage = Stage::new(10).await;
    for name in ["b", "B", "a-1", "a_1", "A"] {
        stage.catalog.create(&coupon(name, 1)).await.unwrap();
    }
    let names = |page: Vec<Coupon>| page.iter().map(|coupon| coupon.id.to_string()).collect::<Vec<_>>();
    let first = names(stage.catalog.list(None, 4).await.unwrap());
    assert_eq!(first, ["A", "B", "a-1", "a_1"]);
    let second = names(stage.catalog.list(Some(&id("a_1")), 4).await.unwrap());
    assert_eq!(second, ["b", "drop"]);
}
