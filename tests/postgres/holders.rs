//! The holders of given sequences.

use std::collections::BTreeMap;

use openrun::domain::Sequence;
use openrun::ports::IssuanceStore;

use crate::fixtures::{Stage, id, issuance, issuances};

async fn holders(stage: &Stage, coupon: &str, sequences: &[Sequence]) -> BTreeMap<Sequence, String> {
    let found = stage.store.holders(&id(coupon), sequences).await.expect("the database answers");
    found.into_iter().map(|(sequence, member)| (sequence, member.to_string())).collect()
}

#[tokio::test]
async fn holders_above_a_gap_are_found() {
    let stage = Stage::new(100).await;
    stage.store.insert(&issuances([1, 2, 4, 9])).await.unwrap();
    let found = holders(&stage, "drop", &[9, 2, 3, 4, 10]).await;
    let expected: BTreeMap<_, _> = [2, 4, 9].map(|sequence| (sequence, format!("member-{sequence}"))).into();
    assert_eq!(found, expected);
    assert!(holders(&stage, "other", &[1, 2]).await.is_empty(), "rows of other coupons do not count");
    assert!(holders(&stage, "drop", &[]).await.is_empty());
    // A sequence beyond the range of the column finds nothing and does not fail.
    assert!(holders(&stage, "drop", &[Sequence::MAX]).await.is_empty());
}

#[tokio::test]
async fn the_holder_of_a_conflicting_sequence_is_that_of_the_row() {
    let stage = Stage::new(10).await;
    stage.store.insert(&[issuance("kim", 1)]).await.unwrap();
    let report = stage.store.insert(&[issuance("eve", 1)]).await.unwrap();
    assert_eq!(report.conflicts.len(), 1);
    assert_eq!(holders(&stage, "drop", &[1]).await, BTreeMap::from([(1, "kim".to_owned())]));
}

#[tokio::test]
async fn thousands_of_sequences_are_looked_up_at_once() {
    let stage = Stage::new(5_000).await;
    stage.store.insert(&issuances((1..=5_000).filter(|sequence| sequence % 7 != 0))).await.unwrap();
    let sequences: Vec<Sequence> = (1..=5_000).collect();
    let found = holders(&stage, "drop", &sequences).await;
    assert_eq!(found.len(), 5_000 - 5_000 / 7);
    assert!(found.keys().all(|sequence| sequence % 7 != 0));
}
