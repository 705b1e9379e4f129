//! The catalogue of coupons.

use openrun::domain::{Coupon, Inventory, Lifecycle, SalePeriod, Terms, Timestamp};
use openrun::ports::{CatalogChange, CatalogError, CatalogPage, CouponCatalog, IssuanceStore, TotalChange};

use crate::fixtures::{Stage, coupon, id, issuances};

#[tokio::test]
async fn a_coupon_is_read_as_it_was_created_to_the_millisecond() {
    let stage = Stage::new(10).await;
    let mut other = coupon("other", 3);
    other.window = SalePeriod::new(Timestamp::from_ms(0), None).unwrap();
    other.valid_until = None;
    other.terms = Terms::new("'; DROP TABLE coupons; --", "🎫\n\"", "").unwrap();
    stage.catalog.create(&other).await.unwrap();
    assert_eq!(stage.catalog.find(&id("other")).await.unwrap(), other);
    assert_eq!(stage.catalog.find(&id("drop")).await.unwrap(), coupon("drop", 10));
}

#[tokio::test]
async fn a_duplicate_id_is_refused_and_an_unknown_one_is_missing() {
    let stage = Stage::new(10).await;
    assert!(matches!(stage.catalog.create(&coupon("drop", 5)).await, Err(CatalogError::Exists)));
    assert_eq!(stage.catalog.find(&id("drop")).await.unwrap().inventory.total(), 10);
    assert!(matches!(stage.catalog.find(&id("nothing")).await, Err(CatalogError::Missing)));
    let change = CatalogChange { total: Some(TotalChange::AtLeast(5)), ..CatalogChange::default() };
    assert!(matches!(stage.catalog.change(&id("nothing"), &change).await, Err(CatalogError::Missing)));
}

#[tokio::test]
async fn a_change_replaces_only_the_named_fields() {
    let stage = Stage::new(10).await;
    let before = coupon("drop", 10);
    stage.catalog.change(&id("drop"), &CatalogChange::default()).await.unwrap();
    assert_eq!(stage.catalog.find(&id("drop")).await.unwrap(), before);

    let lifecycle = CatalogChange { lifecycle: Some(Lifecycle::Paused), ..CatalogChange::default() };
    stage.catalog.change(&id("drop"), &lifecycle).await.unwrap();
    let paused = Coupon { lifecycle: Lifecycle::Paused, ..before };
    assert_eq!(stage.catalog.find(&id("drop")).await.unwrap(), paused);

    let everything = CatalogChange {
        terms: Some(Terms::new("Drop 2", "", "40%").unwrap()),
        window: Some(SalePeriod::new(Timestamp::from_ms(5), None).unwrap()),
        valid_until: Some(None),
        lifecycle: Some(Lifecycle::Closed),
        total: Some(TotalChange::AtLeast(20)),
    };
    stage.catalog.change(&id("drop"), &everything).await.unwrap();
    let expected = Coupon {
        terms: Terms::new("Drop 2", "", "40%").unwrap(),
        inventory: Inventory::new(20).unwrap(),
        window: SalePeriod::new(Timestamp::from_ms(5), None).unwrap(),
        valid_until: None,
        lifecycle: Lifecycle::Closed,
        ..paused
    };
    assert_eq!(stage.catalog.find(&id("drop")).await.unwrap(), expected);
}

#[tokio::test]
async fn a_stale_change_does_not_lower_the_total_of_another_node() {
    let stage = Stage::new(10).await;
    let change = async |total| {
        let change = CatalogChange { total: Some(total), ..CatalogChange::default() };
        stage.catalog.change(&id("drop"), &change).await.unwrap();
        stage.catalog.find(&id("drop")).await.unwrap().inventory.total()
    };
    assert_eq!(change(TotalChange::AtLeast(50)).await, 50);
    assert_eq!(change(TotalChange::AtLeast(20)).await, 50);
    // The change is based on 10, which is outdated.
    assert_eq!(change(TotalChange::Replace { old: 10, new: 5 }).await, 50);
    assert_eq!(change(TotalChange::Replace { old: 50, new: 5 }).await, 5);
}

#[tokio::test]
async fn the_largest_sequence_counts_as_issued_and_bounds_the_total() {
    let stage = Stage::new(10).await;
    stage.store.insert(&issuances([1, 2, 5])).await.unwrap();
    assert_eq!(stage.catalog.find(&id("drop")).await.unwrap().inventory.issued(), 5);
    let fewer = Some(TotalChange::Replace { old: 10, new: 4 });
    let refused =
        stage.catalog.change(&id("drop"), &CatalogChange { total: fewer, ..CatalogChange::default() }).await;
    assert!(matches!(&refused, Err(CatalogError::Refused(why)) if why.contains("sequence 5")), "{refused:?}");
}

#[tokio::test]
async fn pages_follow_the_order_of_ids_byte_by_byte() {
    let stage = Stage::new(10).await;
    for name in ["b", "B", "a-1", "a_1", "A"] {
        stage.catalog.create(&coupon(name, 1)).await.unwrap();
    }
    let first = stage.catalog.list(None, 4).await.unwrap();
    assert_eq!((names(&first), first.next.as_deref()), (vec!["A", "B", "a-1", "a_1"], Some("a_1")));
    let second = stage.catalog.list(Some("a_1"), 4).await.unwrap();
    assert_eq!((names(&second), &second.next), (vec!["b", "drop"], &None));
}

fn names(page: &CatalogPage) -> Vec<&str> {
    page.coupons.iter().map(|coupon| coupon.id.as_str()).collect()
}

#[tokio::test]
async fn an_unreadable_coupon_does_not_fail_its_page() {
    let stage = Stage::new(10).await;
    for name in ["a", "b", "c"] {
        stage.catalog.create(&coupon(name, 1)).await.unwrap();
    }
    let damaged = "ALTER TABLE coupons DROP CONSTRAINT coupons_lifecycle_check;
        UPDATE coupons SET lifecycle = 'bogus' WHERE id IN ('a', 'b')";
    stage.execute(damaged).await.unwrap();
    let first = stage.catalog.list(None, 2).await.unwrap();
    assert_eq!((names(&first), first.next.as_deref()), (vec![], Some("b")), "there are more after these");
    let [a, _] = &first.unreadable[..] else { panic!("{first:?}") };
    assert!(a.id == "a" && a.reason.contains("lifecycle"), "{a:?}");
    let second = stage.catalog.list(first.next.as_deref(), 2).await.unwrap();
    assert_eq!((names(&second), &second.unreadable[..]), (vec!["c", "drop"], &[][..]));
}
