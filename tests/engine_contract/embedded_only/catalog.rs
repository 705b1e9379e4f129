//! The catalogue, which in the embedded engine is the table that decides.

use openrun::domain::{CodeSalt, Coupon, Inventory, Lifecycle, Terms};
use openrun::persistence::sqlite::SqliteCatalog;
use openrun::ports::{CatalogError, CouponCatalog};

use super::{database, engine};
use crate::support::{ask, change, id, issued, lifecycle, member, now, open_coupon, window};

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
    assert!(matches!(catalog.save(&open_coupon("other", 1)).await, Err(CatalogError::Missing)));
}

#[tokio::test(flavor = "multi_thread")]
async fn coupons_are_listed_page_by_page_in_the_order_of_their_ids() {
    let (database, _directory) = database().await;
    let catalog = SqliteCatalog::new(database);
    for name in ["c", "a", "b", "B", "a-1"] {
        catalog.create(&open_coupon(name, 1)).await.unwrap();
    }
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = catalog.list(after.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        names.extend(page.into_iter().map(|coupon| coupon.id.to_string()));
    }
    assert_eq!(names, ["B", "a", "a-1", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_replaces_what_may_change_and_keeps_the_rest() {
    let (database, _directory) = database().await;
    let (catalog, engine) = (SqliteCatalog::new(database.clone()), engine(&database));
    let before = open_coupon("drop", 7);
    catalog.create(&before).await.unwrap();
    let revision = engine.revision().await.unwrap();
    let after = Coupon {
        terms: Terms::new("Other", "", "20%").unwrap(),
        inventory: Inventory::new(9).unwrap(),
        window: window(-100, Some(80_000)),
        valid_until: Some(now()),
        lifecycle: Lifecycle::Paused,
        ..before.clone()
    };
    let impostor =
        Coupon { salt: CodeSalt::from_bytes([0; 32]), created_at: now().plus_ms(1), ..after.clone() };
    catalog.save(&impostor).await.unwrap();
    assert_eq!(catalog.find(&before.id).await.unwrap(), after);
    assert!(engine.revision().await.unwrap() > revision, "what decides has changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_an_older_state_takes_nothing_back() {
    let (database, _directory) = database().await;
    let (catalog, engine) = (SqliteCatalog::new(database.clone()), engine(&database));
    let stale = open_coupon("drop", 2);
    catalog.create(&stale).await.unwrap();
    for name in ["kim", "lee"] {
        issued(ask(&*engine, &stale.id, &member(name)).await);
    }
    catalog.save(&stale).await.unwrap();
    assert_eq!(catalog.find(&stale.id).await.unwrap().inventory.issued(), 2, "the count is the engine's");
    let fewer = Coupon { inventory: Inventory::new(1).unwrap(), ..stale.clone() };
    assert!(matches!(catalog.save(&fewer).await, Err(CatalogError::Refused(_))));
    change(&*engine, &stale.id, lifecycle(Lifecycle::Closed)).await;
    let Err(CatalogError::Refused(words)) = catalog.save(&stale).await else { panic!("it was reopened") };
    assert!(words.contains("a closed coupon stays closed"), "{words}");
}
