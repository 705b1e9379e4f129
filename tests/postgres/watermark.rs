//! The watermark of a coupon.

use openrun::ports::IssuanceStore;
use proptest::collection::btree_set;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::fixtures::{Stage, id, issuances};

#[tokio::test]
async fn it_stops_before_the_first_gap_and_continues_when_the_gap_is_filled() {
    let stage = Stage::new(100).await;
    let coupon = id("drop");
    assert_eq!(stage.store.watermark(&coupon, 0).await.unwrap(), 0);
    stage.store.insert(&issuances([2, 3])).await.unwrap();
    assert_eq!(stage.store.watermark(&coupon, 0).await.unwrap(), 0);
    stage.store.insert(&issuances([1, 4, 6, 9])).await.unwrap();
    for known in 0..=4 {
        assert_eq!(stage.store.watermark(&coupon, known).await.unwrap(), 4, "known {known}");
    }
    stage.store.insert(&issuances([5])).await.unwrap();
    assert_eq!(stage.store.watermark(&coupon, 4).await.unwrap(), 6);
    assert_eq!(stage.store.highest(&coupon).await.unwrap(), 9);
    // Rows of other coupons do not count.
    assert_eq!(stage.store.watermark(&id("other"), 0).await.unwrap(), 0);
}

#[tokio::test]
async fn it_reads_further_than_one_page() {
    let stage = Stage::new(100_000).await;
    let statement = "INSERT INTO coupon_issuances
        SELECT 'drop', n, 'm' || n, regexp_replace(lpad(n::text, 20, '0'), '(.{5})(.{5})(.{5})(.{5})', '\\1-\\2-\\3-\\4'),
            'UNUSED', now()
        FROM generate_series(1, 45000) AS n WHERE n <> 40001";
    stage.execute(statement).await.unwrap();
    assert_eq!(stage.store.watermark(&id("drop"), 0).await.unwrap(), 40_000);
    assert_eq!(stage.store.watermark(&id("drop"), 30_000).await.unwrap(), 40_000);
}

#[tokio::test]
async fn it_agrees_with_counting_for_any_gaps() {
    let mut runner = TestRunner::deterministic();
    let stage = Stage::new(100).await;
    for _ in 0..30 {
        let present = btree_set(1u32..25, 0..25).new_tree(&mut runner).unwrap().current();
        stage.delete_issuances().await;
        stage.store.insert(&issuances(present.iter().copied())).await.unwrap();
        let expected = (1..).take_while(|sequence| present.contains(sequence)).last().unwrap_or(0);
        for known in 0..=expected {
            let found = stage.store.watermark(&id("drop"), known).await.unwrap();
            assert_eq!(found, expected, "known {known} of {present:?}");
        }
    }
}
