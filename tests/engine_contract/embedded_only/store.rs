//! The store of issuances: it reads the engine's issuances and inserts those of another database once.

use openrun::domain::{IssuanceStatus, IssuedCoupon, Note, Sequence, Timestamp};
use openrun::persistence::sqlite::SqliteIssuanceStore;
use openrun::ports::{ConflictFilter, IssuanceStore, Quarantine, StoreError};
use sqlx::Row;

use super::{database, engine, foreign_connection};
use crate::support::{admit_all, admit_one, expect_issued, id, member, members, open_coupon};

fn issuance(sequence: Sequence, name: &str) -> IssuedCoupon {
    let coupon = open_coupon("drop", 10);
    IssuedCoupon {
        code: coupon.salt.code(&coupon.id, &member(name)),
        coupon_id: coupon.id,
        member_id: member(name),
        sequence,
        status: IssuanceStatus::Unused,
        issued_at: Timestamp::from_ms(1_000),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engines_issuances_can_be_listed() {
    let (database, _directory) = database().await;
    let store = SqliteIssuanceStore::new(database.clone());
    let engine = engine(&database);
    let coupon = open_coupon("drop", 10);
    engine.load(&coupon).await.unwrap();
    assert_eq!(store.highest(&coupon.id).await.unwrap(), 0);
    let verdicts = admit_all(&*engine, &coupon.id, &members(0..20)).await;
    assert_eq!(store.highest(&coupon.id).await.unwrap(), 10);
    assert_eq!(store.watermark(&coupon.id, 0).await.unwrap(), 10);
    let listed = store.list(&coupon.id, 3, 5).await.unwrap();
    for (index, row) in (3..8).zip(listed) {
        let member = members(0..20)[index].clone();
        let grant = expect_issued(verdicts[index]);
        assert_eq!(
            (row.sequence, row.issued_at, row.status),
            (grant.sequence, grant.issued_at, IssuanceStatus::Unused)
        );
        assert_eq!((row.code, row.member_id), (coupon.salt.code(&coupon.id, &member), member));
    }
    assert_eq!(store.list(&id("nothing"), 0, 5).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watermark_stops_at_the_first_gap() {
    let (database, _directory) = database().await;
    let store = SqliteIssuanceStore::new(database.clone());
    engine(&database).load(&open_coupon("drop", 10)).await.unwrap();
    let rows = [(1, "a"), (2, "b"), (4, "d"), (5, "e")].map(|(sequence, name)| issuance(sequence, name));
    store.insert(&rows).await.unwrap();
    let drop = id("drop");
    for (known, expected) in [(0, 2), (1, 2), (2, 2), (3, 5), (5, 5)] {
        assert_eq!(store.watermark(&drop, known).await.unwrap(), expected, "knowing {known}");
    }
    store.insert(&[issuance(3, "c")]).await.unwrap();
    assert_eq!(store.watermark(&drop, 2).await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_above_a_gap_are_found_by_sequence() {
    let (database, _directory) = database().await;
    let store = SqliteIssuanceStore::new(database.clone());
    engine(&database).load(&open_coupon("drop", 10)).await.unwrap();
    store.insert(&[issuance(1, "a"), issuance(4, "d")]).await.unwrap();
    let mut found = store.holders(&id("drop"), &[4, 3, 1, Sequence::MAX]).await.unwrap();
    found.sort_unstable_by_key(|(sequence, _)| *sequence);
    assert_eq!(found, [(1, member("a")), (4, member("d"))]);
    assert_eq!(store.holders(&id("nothing"), &[1]).await.unwrap(), []);
    assert_eq!(store.holders(&id("drop"), &[]).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_may_be_repeated_and_its_conflicts_are_quarantined_once() {
    let (database, directory) = database().await;
    let (store, engine) = (SqliteIssuanceStore::new(database.clone()), engine(&database));
    engine.load(&open_coupon("drop", 10)).await.unwrap();
    let first = [issuance(1, "kim"), issuance(2, "lee"), issuance(1, "kim")];
    let report = store.insert(&first).await.unwrap();
    assert_eq!((report.inserted, report.same, report.conflicts.len()), (2, 1, 0));
    let mut code_taken = issuance(5, "eve");
    code_taken.code = first[0].code.clone();
    let other_time = IssuedCoupon { issued_at: Timestamp::from_ms(2_000), ..issuance(2, "lee") };
    let conflicting = [issuance(1, "eve"), issuance(4, "kim"), code_taken, other_time];
    let batch = [&first[..2], &conflicting, &[issuance(3, "max")]].concat();
    for (inserted, same) in [(1, 2), (0, 3)] {
        let report = store.insert(&batch).await.unwrap();
        assert_eq!((report.inserted, report.same), (inserted, same));
        let arrived: Vec<_> = report.conflicts.iter().map(|conflict| conflict.arrived.clone()).collect();
        assert_eq!(arrived, conflicting);
        assert!(report.conflicts[0].held.contains("sequence 1 for member kim"), "{:?}", report.conflicts[0]);
    }
    let sql = "SELECT count(*) FROM issuance_quarantine";
    let kept = sqlx::query(sql).fetch_one(&mut foreign_connection(directory.path()).await).await.unwrap();
    assert_eq!(kept.get::<i64, _>(0), 4, "each conflict once");
    let which = ConflictFilter { coupon: Some(id("drop")), are_settled: false, after: 0, limit: 10 };
    let kept = store.conflicts(&which).await.unwrap();
    let arrived: Vec<_> = kept.iter().map(|kept| kept.conflict.arrived.clone()).collect();
    assert_eq!(arrived, conflicting, "in order of arrival");
    let page = ConflictFilter { coupon: None, after: kept[0].id, limit: 2, ..which.clone() };
    assert_eq!(store.conflicts(&page).await.unwrap(), kept[1..3], "at most the limit");
    assert_eq!(
        expect_issued(admit_one(&*engine, &id("drop"), &member("next")).await).sequence,
        4,
        "the engine continues"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settled_conflict_stays_and_raises_no_alarm_when_it_is_redelivered() {
    let (database, _directory) = database().await;
    let store = SqliteIssuanceStore::new(database.clone());
    engine(&database).load(&open_coupon("drop", 10)).await.unwrap();
    let batch = [issuance(1, "kim"), issuance(1, "lee"), issuance(2, "kim")];
    assert_eq!(store.insert(&batch).await.unwrap().alarms().count(), 2);
    let which = ConflictFilter { coupon: None, are_settled: false, after: 0, limit: 10 };
    let first = store.conflicts(&which).await.unwrap().remove(0);
    let note = Note::parse("seen; ticket 7").unwrap();
    let settled = store.settle(first.id, &note).await.unwrap().expect("it is there");
    assert_eq!(
        settled.settlement.as_ref().map(|settlement| settlement.note.as_str()),
        Some("seen; ticket 7")
    );
    assert_eq!(store.conflict(first.id).await.unwrap().as_ref(), Some(&settled));
    assert_eq!(store.count_settled(&id("drop")).await.unwrap(), 1);
    assert_eq!(store.settle(first.id, &Note::parse("otherwise").unwrap()).await.unwrap(), Some(settled));
    assert_eq!(store.settle(99, &note).await.unwrap(), None);
    let report = store.insert(&batch).await.unwrap();
    let alarms: Vec<_> = report.alarms().map(|conflict| conflict.arrived.clone()).collect();
    assert_eq!((alarms, report.conflicts.len()), (vec![batch[2].clone()], 2));
    for (are_settled, count) in [(true, 1), (false, 1)] {
        let which = ConflictFilter { are_settled, ..which.clone() };
        assert_eq!(store.conflicts(&which).await.unwrap().len(), count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_violates_the_schema_is_rejected_as_a_whole() {
    let (database, _directory) = database().await;
    let store = SqliteIssuanceStore::new(database.clone());
    engine(&database).load(&open_coupon("drop", 2)).await.unwrap();
    let unknown = IssuedCoupon { coupon_id: id("nothing"), ..issuance(1, "eve") };
    for bad in [issuance(3, "eve"), unknown] {
        let outcome = store.insert(&[issuance(1, "kim"), bad]).await;
        assert!(matches!(outcome, Err(StoreError::Rejected(_))), "{outcome:?}");
        assert_eq!(store.highest(&id("drop")).await.unwrap(), 0, "nothing of the batch was written");
    }
}
