//! The catalogue, which shares its table with the embedded engine.

use openrun::domain::{CodeSalt, Coupon, Inventory, Lifecycle, Terms};
use openrun::persistence::sqlite::SqliteCatalog;
use openrun::ports::{CatalogChange, CatalogError, CouponCatalog, TotalChange};

use super::{database, engine};
use crate::support::{admit_one, change, expect_issued, id, lifecycle, member, now, open_coupon, window};

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_reads_back_as_it_was_created() {
    let (database, _directory) = database().await;
    let catalog = SqliteCatalog::new(database);
    let coupon = Coupon {
        terms: Terms::new("쿠폰 '🎫'", "one\ntwo", "").unwrap(),
        valid_until: Some(now().plus_ms(99_000)),
        salt: CodeSalt::from_bytes(std::array::from_fn(|i| u8::try_from(i * 8).unwrap())),
        window: window(-5, Some(80_000)),
        ..open_coupon("drop", 7)
    };
    catalog.create(&coupon).await.unwrap();
    assert_eq!(catalog.find(&coupon.id).await.unwrap(), coupon);
    assert!(matches!(catalog.create(&coupon).await, Err(CatalogError::Exists)));
    assert!(matches!(catalog.find(&id("other")).await, Err(CatalogError::Missing)));
    let missing = catalog.change(&open_coupon("other", 1).id, &CatalogChange::default()).await;
    assert!(matches!(missing, Err(CatalogError::Missing)));
}

#[tokio::test(flavor = "multi_thread")]
async fn coupons_are_listed_page_by_page_in_the_order_of_their_ids() {
    let (database, _directory) = database().await;
    let catalog = SqliteCatalog::new(database);
    for name in ["c", "a", "b", "B", "a-1"] {
        catalog.create(&open_coupon(name, 1)).await.unwrap();
    }
    let (mut after, mut names) = (None::<String>, Vec::new());
    loop {
        let page = catalog.list(after.as_deref(), 2).await.unwrap();
        assert_eq!(page.unreadable, []);
        names.extend(page.coupons.into_iter().map(|coupon| coupon.id.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["B", "a", "a-1", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_replaces_the_named_fields_and_keeps_the_rest() {
    let (database, _directory) = database().await;
    let (catalog, engine) = (SqliteCatalog::new(database.clone()), engine(&database));
    let before = open_coupon("drop", 7);
    catalog.create(&before).await.unwrap();
    catalog.change(&before.id, &CatalogChange::default()).await.unwrap();
    assert_eq!(catalog.find(&before.id).await.unwrap(), before);
    let revision = engine.revision().await.unwrap();
    let after = Coupon {
        terms: Terms::new("Other", "", "20%").unwrap(),
        inventory: Inventory::new(9).unwrap(),
        window: window(-100, Some(80_000)),
        valid_until: Some(now()),
        lifecycle: Lifecycle::Paused,
        ..before.clone()
    };
    let everything = CatalogChange {
        terms: Some(after.terms.clone()),
        window: Some(after.window),
        valid_until: Some(after.valid_until),
        lifecycle: Some(after.lifecycle),
        total: Some(TotalChange::AtLeast(9)),
    };
    catalog.change(&before.id, &everything).await.unwrap();
    assert_eq!(catalog.find(&before.id).await.unwrap(), after);
    assert!(engine.revision().await.unwrap() > revision, "the change raises the revision");
    let total = |total| CatalogChange { total: Some(total), ..CatalogChange::default() };
    for (change, expected) in [
        (TotalChange::AtLeast(3), 9),
        (TotalChange::Replace { old: 7, new: 5 }, 9),
        (TotalChange::Replace { old: 9, new: 5 }, 5),
    ] {
        catalog.change(&before.id, &total(change)).await.unwrap();
        assert_eq!(catalog.find(&before.id).await.unwrap().inventory.total(), expected, "{change:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_neither_undoes_an_issuance_nor_reopens_a_coupon() {
    let (database, _directory) = database().await;
    let (catalog, engine) = (SqliteCatalog::new(database.clone()), engine(&database));
    let coupon = open_coupon("drop", 2);
    catalog.create(&coupon).await.unwrap();
    for name in ["kim", "lee"] {
        expect_issued(admit_one(&*engine, &coupon.id, &member(name)).await);
    }
    let fewer =
        CatalogChange { total: Some(TotalChange::Replace { old: 2, new: 1 }), ..CatalogChange::default() };
    assert!(matches!(catalog.change(&coupon.id, &fewer).await, Err(CatalogError::Refused(_))));
    change(&*engine, &coupon.id, lifecycle(Lifecycle::Closed)).await;
    let reopened = CatalogChange { lifecycle: Some(Lifecycle::Active), ..CatalogChange::default() };
    let Err(CatalogError::Refused(reason)) = catalog.change(&coupon.id, &reopened).await else {
        panic!("the coupon was reopened")
    };
    assert!(reason.contains("a closed coupon stays closed"), "{reason}");
}
