//! Inserting a batch: new rows, repetitions and conflicts.

use openrun::domain::{IssuanceStatus, IssuedCoupon, MemberId, Timestamp};
use openrun::persistence::postgres::{Database, DatabaseSettings, PostgresStore};
use openrun::ports::{InsertReport, IssuanceStore, StoreError};

use crate::fixtures::{Stage, conflicts, id, issuance, issuances, settings};

#[tokio::test]
async fn a_batch_may_be_repeated_any_number_of_times() {
    let stage = Stage::new(300).await;
    let batch = issuances(1..=256);
    let first = stage.store.insert(&batch).await.unwrap();
    assert_eq!(first, InsertReport { inserted: 256, ..InsertReport::default() });
    for _ in 0..3 {
        let again = stage.store.insert(&batch).await.unwrap();
        assert_eq!(again, InsertReport { same: 256, ..InsertReport::default() });
    }
    assert_eq!(stage.store.list(&id("drop"), 0, 1_000).await.unwrap(), batch);
}

#[tokio::test]
async fn an_empty_batch_gives_an_empty_report() {
    let stage = Stage::new(1).await;
    assert_eq!(stage.store.insert(&[]).await.unwrap(), InsertReport::default());
}

#[tokio::test]
async fn duplicates_within_a_batch_count_as_same() {
    let stage = Stage::new(10).await;
    let batch = [issuance("kim", 1), issuance("lee", 2), issuance("kim", 1)];
    let report = stage.store.insert(&batch).await.unwrap();
    assert_eq!(report, InsertReport { inserted: 2, same: 1, conflicts: vec![] });
}

#[tokio::test]
async fn an_issuance_with_a_changed_status_is_the_same_and_keeps_it() {
    let stage = Stage::new(10).await;
    stage.store.insert(&[issuance("kim", 1)]).await.unwrap();
    stage.execute("UPDATE coupon_issuances SET status = 'USED'").await.unwrap();
    let report = stage.store.insert(&[issuance("kim", 1)]).await.unwrap();
    assert_eq!(report, InsertReport { same: 1, ..InsertReport::default() });
    let held = stage.store.list(&id("drop"), 0, 10).await.unwrap();
    assert_eq!(held[0].status, IssuanceStatus::Used);
}

#[tokio::test]
async fn every_kind_of_conflict_is_reported_and_quarantined_once() {
    let stage = Stage::new(10).await;
    let held = issuance("kim", 1);
    stage.store.insert(std::slice::from_ref(&held)).await.unwrap();
    let other_member = issuance("lee", 1);
    let other_sequence = issuance("kim", 2);
    let same_code = IssuedCoupon { code: held.code.clone(), ..issuance("park", 3) };
    let other_time = IssuedCoupon { issued_at: Timestamp::from_ms(5), ..held.clone() };
    let batch = [other_member, other_sequence, same_code, other_time, issuance("choi", 4)];
    for round in 0..3 {
        let report = stage.store.insert(&batch).await.unwrap();
        assert_eq!((report.inserted, report.same), if round == 0 { (1, 0) } else { (0, 1) });
        let arrived: Vec<IssuedCoupon> =
            report.conflicts.iter().map(|conflict| conflict.arrived.clone()).collect();
        assert_eq!(arrived, batch[..4]);
        assert!(report.conflicts.iter().all(|conflict| conflict.held.contains("\"kim\"")), "{report:?}");
        assert_eq!(stage.number("SELECT count(*) FROM issuance_conflicts").await, 4);
    }
    assert_eq!(stage.store.list(&id("drop"), 0, 10).await.unwrap(), [held, issuance("choi", 4)]);
    let mut kept = conflicts(&stage, false).await;
    assert!(kept.iter().all(|kept| kept.conflict.held.contains("\"kim\"")), "{kept:?}");
    kept.sort_by_key(|kept| batch.iter().position(|arrived| *arrived == kept.conflict.arrived));
    assert_eq!(kept.into_iter().map(|kept| kept.conflict.arrived).collect::<Vec<_>>(), batch[..4]);
}

#[tokio::test]
async fn two_contradicting_issuances_in_one_batch_are_one_row_and_one_conflict() {
    let stage = Stage::new(10).await;
    let report = stage.store.insert(&[issuance("kim", 1), issuance("lee", 1)]).await.unwrap();
    assert_eq!((report.inserted, report.same, report.conflicts.len()), (1, 0, 1));
}

#[tokio::test]
async fn a_batch_with_an_unknown_coupon_or_above_the_total_is_rejected_whole() {
    let stage = Stage::new(10).await;
    let unknown = IssuedCoupon { coupon_id: id("nothing"), ..issuance("lee", 2) };
    for (bad, may_change, word) in [
        (unknown, false, "nothing"),
        (issuance("lee", 11), true, "total of 10"),
        (issuance("lee", 0), false, "sequence"),
        (issuance("lee", u32::MAX), false, "sequence"),
    ] {
        let why = match stage.store.insert(&[issuance("kim", 1), bad]).await {
            Err(StoreError::Rejected(why)) if !may_change => why,
            Err(StoreError::AboveTotal(why)) if may_change => why,
            other => panic!("{word}: {other:?}"),
        };
        assert!(why.contains(word), "{why}");
        assert_eq!(stage.number("SELECT count(*) FROM coupon_issuances").await, 0);
    }
}

#[tokio::test]
async fn hostile_members_and_the_edges_of_time_survive() {
    let stage = Stage::new(10).await;
    let members = ["'; DROP TABLE coupons; --", "\\x00\"{},", "한글 漢字 🎫", &"🎫".repeat(128), "NULL"];
    let times = [0, 1, 999, 1_795_226_400_123, 253_402_300_799_999];
    let batch: Vec<IssuedCoupon> = (1..)
        .zip(members.iter().zip(times))
        .map(|(sequence, (member, ms))| IssuedCoupon {
            issued_at: Timestamp::from_ms(ms),
            ..issuance(MemberId::parse(member).unwrap().as_str(), sequence)
        })
        .collect();
    assert_eq!(stage.store.insert(&batch).await.unwrap().inserted, 5);
    assert_eq!(stage.store.insert(&batch).await.unwrap().same, 5);
    assert_eq!(stage.store.list(&id("drop"), 0, 10).await.unwrap(), batch);
    assert_eq!(stage.store.list(&id("drop"), 2, 2).await.unwrap(), batch[2..4]);
}

#[tokio::test]
async fn a_cancelled_caller_does_not_spoil_the_connection() {
    let stage = Stage::new(5_000).await;
    let batch = issuances(1..=2_000);
    for _ in 0..20 {
        let result =
            tokio::time::timeout(std::time::Duration::from_micros(500), stage.store.insert(&batch)).await;
        assert!(result.is_err() || result.is_ok_and(|inserted| inserted.is_ok()));
        stage.store.highest(&id("drop")).await.unwrap();
    }
    let report = stage.store.insert(&batch).await.unwrap();
    assert_eq!(report.inserted + report.same, 2_000);
    assert_eq!(stage.store.highest(&id("drop")).await.unwrap(), 2_000);
}

#[tokio::test]
async fn a_read_only_connection_cannot_write() {
    let stage = Stage::new(10).await;
    stage.store.insert(&[issuance("kim", 1)]).await.unwrap();
    let settings = DatabaseSettings { read_only: true, ..settings(stage.url()) };
    let reading = PostgresStore::new(Database::connect(&settings).await.unwrap());
    assert_eq!(reading.list(&id("drop"), 0, 10).await.unwrap(), [issuance("kim", 1)]);
    let refused = reading.insert(&[issuance("lee", 2)]).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(stage.number("SELECT count(*) FROM coupon_issuances").await, 1);
}
