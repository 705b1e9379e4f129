//! Two persisters with overlapping batches, as after a redelivery.

use openrun::domain::IssuedCoupon;
use openrun::ports::{InsertReport, IssuanceStore};
use uuid::Uuid;

use crate::fixtures::{Stage, id, issuances};

const ROUNDS: u32 = 50;
const BATCH: u32 = 100;

/// In a random order.
fn shuffled(mut batch: Vec<IssuedCoupon>) -> Vec<IssuedCoupon> {
    batch.sort_by_cached_key(|_| Uuid::new_v4());
    batch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_batches_neither_deadlock_nor_duplicate() {
    let stage = Stage::new(ROUNDS * BATCH).await;
    let mut total = InsertReport::default();
    for round in 0..ROUNDS {
        let first = round * BATCH;
        let left = shuffled(issuances(first + 1..=first + 70));
        let right = shuffled(issuances(first + 31..=first + 100));
        let (stores, half) = ((stage.store.clone(), stage.store.clone()), left.len());
        let both = tokio::join!(
            tokio::spawn(async move { stores.0.insert(&left).await }),
            tokio::spawn(async move { stores.1.insert(&right).await }),
        );
        for report in [both.0.unwrap(), both.1.unwrap()] {
            let report = report.unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert_eq!(report.inserted + report.same, half, "round {round}: {report:?}");
            total.inserted += report.inserted;
            total.same += report.same;
            total.conflicts.extend(report.conflicts);
        }
    }
    assert_eq!((total.inserted, total.same), ((ROUNDS * BATCH) as usize, (ROUNDS * 40) as usize));
    assert_eq!(total.conflicts, vec![]);
    assert_eq!(stage.store.watermark(&id("drop"), 0).await.unwrap(), ROUNDS * BATCH);
    assert_eq!(
        stage.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await,
        0
    );
}
