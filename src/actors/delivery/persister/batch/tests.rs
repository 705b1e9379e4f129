//! Bisecting a batch, with a store that rejects chosen sequences.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{AckBoard, BatchWriter, DeliveryTag, IssuanceStore, IssuedCoupon, Item, StoreError};
use crate::domain::{CouponId, MemberId, Sequence};
use crate::ports::InsertReport;
use crate::telemetry::Metrics;

/// Rejects every batch that contains one of these sequences.
#[derive(Default)]
struct PickyStore {
    poison: Vec<Sequence>,
    above_total: Vec<Sequence>,
    is_down: bool,
    rows: Mutex<Vec<Sequence>>,
    statements: Mutex<usize>,
}

#[async_trait]
impl IssuanceStore for PickyStore {
    async fn insert(&self, batch: &[IssuedCoupon]) -> Result<InsertReport, StoreError> {
        *self.statements.lock().unwrap() += 1;
        if self.is_down {
            return Err(StoreError::Unavailable("down".into()));
        }
        if batch.iter().any(|issuance| self.poison.contains(&issuance.sequence)) {
            return Err(StoreError::Rejected("poison".to_owned()));
        }
        if batch.iter().any(|issuance| self.above_total.contains(&issuance.sequence)) {
            return Err(StoreError::AboveTotal("above the total".to_owned()));
        }
        self.rows.lock().unwrap().extend(batch.iter().map(|issuance| issuance.sequence));
        Ok(InsertReport { inserted: batch.len(), ..InsertReport::default() })
    }

    async fn watermark(&self, _: &CouponId, _: Sequence) -> Result<Sequence, StoreError> {
        unreachable!("a writer only inserts")
    }

    async fn highest(&self, _: &CouponId) -> Result<Sequence, StoreError> {
        unreachable!("a writer only inserts")
    }

    async fn holders(&self, _: &CouponId, _: &[Sequence]) -> Result<Vec<(Sequence, MemberId)>, StoreError> {
        unreachable!("a writer only inserts")
    }

    async fn list(&self, _: &CouponId, _: Sequence, _: u32) -> Result<Vec<IssuedCoupon>, StoreError> {
        unreachable!("a writer only inserts")
    }
}

fn items(count: u32) -> Vec<Item> {
    let item = |n| (DeliveryTag(u64::from(n)), IssuedCoupon::sample("drop", &format!("m{n}"), n));
    (1..=count).map(item).collect()
}

fn writer(store: &Arc<PickyStore>) -> BatchWriter {
    let (metrics, acks) = (Arc::new(Metrics::new()), AckBoard::default());
    BatchWriter { store: Arc::<PickyStore>::clone(store), metrics, acks }
}

#[tokio::test]
async fn only_the_poison_is_rejected_and_its_neighbours_are_written() {
    let store = Arc::new(PickyStore { poison: vec![1, 100, 101, 256], ..PickyStore::default() });
    let written = writer(&store).write(items(256)).await.unwrap();
    let poison: Vec<u64> = written.poison.iter().map(|(tag, _)| tag.0).collect();
    assert_eq!(poison, [1, 100, 101, 256]);
    assert_eq!(written.done.len(), 252);
    let rows = store.rows.lock().unwrap();
    let expected: Vec<u32> = (1..=256).filter(|n| ![1, 100, 101, 256].contains(n)).collect();
    assert_eq!(*rows, expected, "each neighbour once, in order");
    assert!(*store.statements.lock().unwrap() <= 2 * 4 * 9, "a logarithm of statements for each poison");
}

#[tokio::test]
async fn issuances_above_the_total_are_separated_from_poison() {
    let store = Arc::new(PickyStore { poison: vec![2], above_total: vec![1, 7], ..PickyStore::default() });
    let written = writer(&store).write(items(8)).await.unwrap();
    assert_eq!(written.poison, [(DeliveryTag(2), "poison".to_owned())]);
    let above_total: Vec<u64> = written.above_total.iter().map(|((tag, _), _)| tag.0).collect();
    assert_eq!(above_total, [1, 7]);
    assert_eq!(written.done.len(), 5);
}

#[tokio::test]
async fn a_database_that_is_down_rejects_no_issuance() {
    let store = Arc::new(PickyStore { is_down: true, ..PickyStore::default() });
    assert!(writer(&store).write(items(8)).await.is_err());
    assert_eq!(*store.statements.lock().unwrap(), 1);
}
