//! Outages of the database: an error within the bound, and success when the database is back.

use std::time::{Duration, Instant};

use openrun::persistence::postgres::{Database, DatabaseSettings, PostgresCatalog, PostgresStore, migrate};
use openrun::ports::{CatalogError, CouponCatalog, IssuanceStore, StoreError};

use crate::fixtures::{coupon, execute, id, issuances, settings};
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

/// Repeats an insertion until it succeeds, for at most ten seconds. Only [`StoreError::Unavailable`] may come before.
async fn insert_eventually(store: &PostgresStore, sequence: u32) {
    let started = Instant::now();
    while let Err(error) = store.insert(&issuances([sequence])).await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(started.elapsed() < Duration::from_secs(10), "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn private_a_stopped_killed_or_frozen_server_is_unavailable_until_it_is_back() {
    let mut server = PrivatePostgres::start().await;
    let (store, catalog) = stage(&server.url()).await;
    store.insert(&issuances([1])).await.unwrap();

    server.stop().await;
    let started = Instant::now();
    assert!(matches!(store.insert(&issuances([2])).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(catalog.find(&id("drop")).await, Err(CatalogError::Unavailable(_))));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    server.restart().await;
    insert_eventually(&store, 2).await;

    server.kill();
    assert!(matches!(store.insert(&issuances([3])).await, Err(StoreError::Unavailable(_))));
    server.restart().await;
    insert_eventually(&store, 3).await;

    server.pause();
    let started = Instant::now();
    assert!(matches!(store.insert(&issuances([4])).await, Err(StoreError::Unavailable(_))));
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    server.resume();
    insert_eventually(&store, 4).await;
    assert_eq!(store.watermark(&id("drop"), 0).await.unwrap(), 4);
}

#[tokio::test]
async fn private_a_locked_table_and_a_read_only_server_do_not_reject_the_batch() {
    let server = PrivatePostgres::start().await;
    let (store, _) = stage(&server.url()).await;
    let lock = "BEGIN; LOCK TABLE coupon_issuances; SELECT pg_sleep(3); COMMIT";
    let url = server.url();
    let locked = tokio::spawn(async move { execute(&url, lock).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let started = Instant::now();
    assert!(matches!(store.insert(&issuances([1])).await, Err(StoreError::Unavailable(_))));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    locked.await.unwrap().unwrap();
    insert_eventually(&store, 1).await;

    execute(&server.url(), "ALTER DATABASE postgres SET default_transaction_read_only = on").await.unwrap();
    // Open connections keep their setting.
    execute(
        &server.url(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'openrun'",
    )
    .await
    .unwrap();
    for _ in 0..3 {
        assert!(matches!(store.insert(&issuances([2])).await, Err(StoreError::Unavailable(_))));
    }
}
