//! The watermark of a coupon.

use std::time::Duration;

use openrun::persistence::postgres::PostgresStore;
use openrun::ports::IssuanceStore;
use proptest::collection::btree_set;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::fixtures::{Stage, connect, id, issuances};
use crate::support::proxy::{Mode, Proxy};

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

/// Inserts the sequences up to `last`, except `gap`.
fn many_rows(last: u32, gap: u32) -> String {
    format!(
        "INSERT INTO coupon_issuances
        SELECT 'drop', n, 'm' || n, regexp_replace(lpad(n::text, 20, '0'), '(.{{5}})(.{{5}})(.{{5}})(.{{5}})', '\\1-\\2-\\3-\\4'),
            'UNUSED', now()
        FROM generate_series(1, {last}) AS n WHERE n <> {gap}"
    )
}

#[tokio::test]
async fn it_reads_further_than_one_page() {
    let stage = Stage::new(100_000).await;
    stage.execute(&many_rows(45_000, 40_001)).await.unwrap();
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

/// A caller waits for two seconds at most, and such a coupon takes longer.
#[tokio::test]
async fn a_count_that_is_given_up_goes_on_where_it_stopped() {
    const LIMIT: Duration = Duration::from_millis(700);
    let stage = Stage::new(100_000).await;
    stage.execute(&many_rows(60_000, 50_001)).await.unwrap();
    let mut url = url::Url::parse(stage.url()).expect("it is a URL");
    let proxy = Proxy::start(url.port().expect("it has a port")).await;
    url.set_port(Some(proxy.port())).expect("it has a port");
    let slow = PostgresStore::new(connect(url.as_str()).await);
    assert_eq!(slow.watermark(&id("other"), 0).await.unwrap(), 0, "it is connected");
    proxy.set(Mode::Delay(Duration::from_millis(100))).await;
    let mut attempts = 0;
    let reached = loop {
        attempts += 1;
        assert!(attempts <= 20, "no attempt within {LIMIT:?} reached the watermark");
        if let Ok(reached) = tokio::time::timeout(LIMIT, slow.watermark(&id("drop"), 0)).await {
            break reached.unwrap();
        }
    };
    assert_eq!(reached, 50_000);
}

#[tokio::test]
async fn its_progress_is_kept_for_other_nodes_until_a_recount() {
    const KEPT: &str = "SELECT sequence::bigint FROM coupon_watermarks WHERE coupon_id = 'drop'";
    let stage = Stage::new(100_000).await;
    stage.execute(&many_rows(9_000, 8_001)).await.unwrap();
    assert_eq!(stage.store.watermark(&id("drop"), 0).await.unwrap(), 8_000);
    assert_eq!(stage.number("SELECT count(*) FROM coupon_watermarks").await, 0, "few rows need no progress");
    stage.delete_issuances().await;
    stage.execute(&many_rows(40_000, 30_001)).await.unwrap();
    assert_eq!(stage.store.watermark(&id("drop"), 0).await.unwrap(), 30_000);
    assert_eq!(stage.number(KEPT).await, 30_000);
    // Rows are not counted again from the first one, so a row that is deleted by hand is not missed.
    stage.execute("DELETE FROM coupon_issuances WHERE sequence = 7").await.unwrap();
    let other = PostgresStore::new(connect(stage.url()).await);
    assert_eq!(other.watermark(&id("drop"), 0).await.unwrap(), 30_000);
    other.recount(&id("drop")).await.unwrap();
    assert_eq!(stage.store.watermark(&id("drop"), 0).await.unwrap(), 6);
}
