//! A database that is away: an answer within the bound, and work again when it is back.

use std::time::{Duration, Instant};

use openrun::persistence::postgres::{Database, DatabaseSettings, PostgresCatalog, PostgresStore, migrate};
use openrun::ports::{CatalogError, CouponCatalog, IssuanceStore, StoreError};

use crate::fixtures::{by_hand, coupon, id, issuances, settings};
use crate::support::services::PrivatePostgres;

async fn stage(url: &str) -> (PostgresStore, PostgresCatalog) {
    let bounds = DatabaseSettings {
        max_connections: 2,
        acquire_timeout_ms: 1_000,
        statement_timeout_ms: 1_000,
        ..settings(url)
    };
    let database = Database::connect(&bounds).await.expect("the database is there");
    migrate(&database).await.expect("the database is there");
    let catalog = PostgresCatalog::new(database.clone());
    catalog.create(&coupon("drop", 100)).await.expect("the database is there");
    (PostgresStore::new(database), catalog)
}

/// Until it works, for at most ten seconds; nothing but [`StoreError::Unavailable`] may come before.
async fn inserts_again(store: &PostgresStore, sequence: u32) {
    let begun = Instant::now();
    while let Err(error) = store.insert(&issuances([sequence])).await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn private_stopped_killed_and_frozen() {
    let mut server = PrivatePostgres::start().await;
    let (store, catalog) = stage(&server.url()).await;
    store.insert(&issuances([1])).await.unwrap();

    server.stop().await;
    let begun = Instant::now();
    assert!(matches!(store.insert(&issuances([2])).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(catalog.find(&id("drop")).await, Err(CatalogError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    server.restart().await;
    inserts_again(&store, 2).await;

    server.kill();
    assert!(matches!(store.insert(&issuances([3])).await, Err(StoreError::Unavailable(_))));
    server.restart().await;
    inserts_again(&store, 3).await;

    server.pause();
    let begun = Instant::now();
    assert!(matches!(store.insert(&issuances([4])).await, Err(StoreError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    server.resume();
    inserts_again(&store, 4).await;
    assert_eq!(store.watermark(&id("drop"), 0).await.unwrap(), 4);
}

#[tokio::test]
async fn private_a_locked_table_and_a_read_only_server_are_not_the_batchs_fault() {
    let server = PrivatePostgres::start().await;
    let (store, _) = stage(&server.url()).await;
    let lock = "BEGIN; LOCK TABLE coupon_issuances; SELECT pg_sleep(3); COMMIT";
    let url = server.url();
    let locked = tokio::spawn(async move { by_hand(&url, lock).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    assert!(matches!(store.insert(&issuances([1])).await, Err(StoreError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    locked.await.unwrap().unwrap();
    inserts_again(&store, 1).await;

    by_hand(&server.url(), "ALTER DATABASE postgres SET default_transaction_read_only = on").await.unwrap();
    // Open connections keep their setting.
    by_hand(
        &server.url(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'openrun'",
    )
    .await
    .unwrap();
    for _ in 0..3 {
        assert!(matches!(store.insert(&issuances([2])).await, Err(StoreError::Unavailable(_))));
    }
}
