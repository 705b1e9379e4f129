//! Bisecting, with a store that rejects what it is told to.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{AckBoard, BatchWriter, DeliveryTag, IssuanceStore, IssuedCoupon, Item, StoreError};
use crate::domain::{CodeSalt, CouponId, IssuanceStatus, MemberId, Sequence, Timestamp};
use crate::ports::InsertReport;
use crate::telemetry::Metrics;

/// Rejects every batch with one of these sequences, and is away while `away`.
#[derive(Default)]
struct PickyStore {
    poison: Vec<Sequence>,
    early: Vec<Sequence>,
    away: bool,
    rows: Mutex<Vec<Sequence>>,
    statements: Mutex<usize>,
}

#[async_trait]
impl IssuanceStore for PickyStore {
    async fn insert(&self, batch: &[IssuedCoupon]) -> Result<InsertReport, StoreError> {
        *self.statements.lock().unwrap() += 1;
        if self.away {
            return Err(StoreError::Unavailable("away".into()));
        }
        if batch.iter().any(|issuance| self.poison.contains(&issuance.sequence)) {
            return Err(StoreError::Rejected("poison".to_owned()));
        }
        if batch.iter().any(|issuance| self.early.contains(&issuance.sequence)) {
            return Err(StoreError::AboveTotal("early".to_owned()));
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
    let coupon_id = CouponId::parse("drop").unwrap();
    (1..=count)
        .map(|sequence| {
            let member_id = MemberId::parse(&format!("m{sequence}")).unwrap();
            let code = CodeSalt::from_bytes([0; 32]).code(&coupon_id, &member_id);
            let issuance = IssuedCoupon {
                coupon_id: coupon_id.clone(),
                member_id,
                sequence,
                code,
                status: IssuanceStatus::Unused,
                issued_at: Timestamp::from_ms(1),
            };
            (DeliveryTag(u64::from(sequence)), issuance)
        })
        .collect()
}

fn writer(store: &Arc<PickyStore>) -> BatchWriter {
    let (metrics, acks) = (Arc::new(Metrics::new()), AckBoard::default());
    BatchWriter { store: Arc::<PickyStore>::clone(store), metrics, acks }
}

#[tokio::test]
async fn only_the_poison_is_buried_and_its_neighbours_are_written() {
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
async fn what_is_above_the_total_is_told_from_poison() {
    let store = Arc::new(PickyStore { poison: vec![2], early: vec![1, 7], ..PickyStore::default() });
    let written = writer(&store).write(items(8)).await.unwrap();
    assert_eq!(written.poison, [(DeliveryTag(2), "poison".to_owned())]);
    let early: Vec<u64> = written.early.iter().map(|((tag, _), _)| tag.0).collect();
    assert_eq!(early, [1, 7]);
    assert_eq!(written.done.len(), 5);
}

#[tokio::test]
async fn a_database_that_is_away_buries_nobody() {
    let store = Arc::new(PickyStore { away: true, ..PickyStore::default() });
    assert!(writer(&store).write(items(8)).await.is_err());
    assert_eq!(*store.statements.lock().unwrap(), 1);
}
