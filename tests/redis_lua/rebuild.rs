//! A Redis that lost data is rebuilt from the database, in a new epoch that fences nodes of the earlier one.

use openrun::domain::{CodeSalt, Coupon, IssuanceStatus, IssuedCoupon, Lifecycle, Timestamp};
use openrun::persistence::sqlite::{SqliteCatalog, SqliteDatabase, SqliteIssuanceStore};
use openrun::ports::{
    AdmissionEngine, CouponCatalog, EngineError, EngineRecovery, HighWatermark, IssuanceStore, Outbox,
};
use tempfile::TempDir;

use crate::arrange::{Node, assert_fenced, key, member, sequences};
use crate::support::shared::redis_url;

/// A database with rows to rebuild from.
pub(crate) struct Rows {
    pub(crate) store: SqliteIssuanceStore,
    _home: TempDir,
}

impl Rows {
    async fn of(coupon: &Coupon, sequences: impl IntoIterator<Item = u32>) -> Self {
        let rows: Vec<_> = sequences.into_iter().map(|sequence| row(coupon, sequence)).collect();
        Self::holding(coupon, &rows).await
    }

    pub(crate) async fn holding(coupon: &Coupon, rows: &[IssuedCoupon]) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let database = SqliteDatabase::open(home.path()).await.expect("it opens");
        SqliteCatalog::new(database.clone()).create(coupon).await.expect("it is new");
        let store = SqliteIssuanceStore::new(database);
        for page in rows.chunks(256) {
            store.insert(page).await.expect("they are valid");
        }
        Self { store, _home: home }
    }
}

pub(crate) fn row(coupon: &Coupon, sequence: u32) -> IssuedCoupon {
    let member_id = member(&format!("m{sequence}"));
    let code = CodeSalt::from_bytes([7; 32]).code(&coupon.id, &member_id);
    let issued_at = Timestamp::from_ms(1_700_000_000_000 + i64::from(sequence));
    let status = IssuanceStatus::Unused;
    IssuedCoupon { coupon_id: coupon.id.clone(), member_id, sequence, code, status, issued_at }
}

fn evidence(issued: u32) -> HighWatermark {
    HighWatermark { epoch: 0, issued }
}

#[tokio::test]
async fn a_rebuild_restores_all_holders_and_continues_the_sequences() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(3_000).await;
    let id = &coupon.id;
    let rows = Rows::of(&coupon, 1..=2_500).await;
    node.engine.halt_and_report(id);
    let epoch = node.engine.rebuild(&coupon, evidence(2_500), &rows.store).await.unwrap();
    node.engine.resume(id).await.unwrap();

    let answer = node.admit(id, &["m1", "new", "m2500"]).await.unwrap();
    assert_eq!(sequences(&answer), [1, 2_501, 2_500]);
    assert_eq!(answer.standing.inventory.remaining(), 499);
    let held = node.engine.find(id, &member("m7")).await.unwrap().unwrap();
    assert_eq!((held.sequence, held.issued_at.as_ms()), (7, 1_700_000_000_007));
    // The outbox holds only later decisions.
    let pending = node.engine.outbox().pending(id, 0, 10).await.unwrap();
    assert_eq!(pending.iter().map(|entry| entry.grant.sequence).collect::<Vec<_>>(), [2_501]);
    // A rebuilt coupon passes verification.
    assert_eq!(node.engine.verify(&coupon, evidence(2_501)).await.unwrap(), epoch);
}

/// An older version of openrun may have written an impossible epoch into the database.
#[tokio::test]
async fn an_impossible_epoch_in_the_evidence_is_ignored() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(9).await;
    let rows = Rows::of(&coupon, 1..=2).await;
    for absurd in [1 << 53, u64::try_from(i64::MAX).unwrap(), u64::MAX] {
        node.engine.halt_and_report(&coupon.id);
        let evidence = HighWatermark { epoch: absurd, issued: 2 };
        let epoch = node.engine.rebuild(&coupon, evidence, &rows.store).await.unwrap();
        assert!(epoch < 1 << 53, "{epoch}");
        node.engine.resume(&coupon.id).await.unwrap();
        assert_eq!(node.engine.verify(&coupon, evidence).await.unwrap(), epoch);
    }
    assert_eq!(sequences(&node.admit(&coupon.id, &["m3", "m1"]).await.unwrap()), [3, 1]);
}

#[tokio::test]
async fn a_coupon_without_rows_is_rebuilt_empty() {
    let node = Node::at(&redis_url()).await;
    let coupon = crate::arrange::coupon(5, 0);
    let rows = Rows::of(&coupon, []).await;
    node.engine.rebuild(&coupon, evidence(0), &rows.store).await.unwrap();
    assert_eq!(sequences(&node.admit(&coupon.id, &["a"]).await.unwrap()), [1]);
}

#[tokio::test]
async fn a_node_of_the_earlier_epoch_can_neither_decide_nor_find_nor_trim() {
    let (old, new) = (Node::at(&redis_url()).await, Node::at(&redis_url()).await);
    let coupon = old.open_coupon(9).await;
    let id = &coupon.id;
    old.admit(id, &["m1", "m2"]).await.unwrap();
    let rows = Rows::of(&coupon, 1..=2).await;
    new.engine.rebuild(&coupon, evidence(2), &rows.store).await.unwrap();
    new.admit(id, &["m3"]).await.unwrap();

    assert_fenced(old.admit(id, &["m4"]).await, "loaded again");
    assert_fenced(old.engine.find(id, &member("m1")).await, "loaded again");
    assert_fenced(old.engine.outbox().trim(id, 3).await, "loaded again");
    assert_eq!(new.engine.outbox().depth(id).await.unwrap(), 1);
    old.engine.halt_and_report(id);
    old.engine.resume(id).await.unwrap();
    assert_eq!(sequences(&old.admit(id, &["m4"]).await.unwrap()), [4]);
}

#[tokio::test]
async fn an_interrupted_rebuild_fences_the_coupon_until_another_one_finishes() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(9).await;
    let id = &coupon.id;
    node.admit(id, &["m1", "m2", "m3"]).await.unwrap();
    let incomplete = Rows::of(&coupon, [1, 3]).await;
    assert_fenced(node.engine.rebuild(&coupon, evidence(3), &incomplete.store).await, "lacks sequence 2");

    assert_fenced(node.admit(id, &["m4"]).await, "being rebuilt");
    assert_fenced(node.engine.verify(&coupon, evidence(0)).await, "being rebuilt");
    assert_fenced(node.engine.outbox().pending(id, 0, 9).await, "being rebuilt");
    assert_eq!(node.engine.suspend(id).await.unwrap(), 0, "the outbox is gone");
    let complete = Rows::of(&coupon, 1..=3).await;
    node.engine.halt_and_report(id);
    node.engine.rebuild(&coupon, evidence(3), &complete.store).await.unwrap();
    node.engine.resume(id).await.unwrap();
    assert_eq!(sequences(&node.admit(id, &["m4", "m2"]).await.unwrap()), [4, 2]);
}

#[tokio::test]
async fn of_two_concurrent_rebuilds_only_the_later_one_finishes() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(9).await;
    let rows = Rows::of(&coupon, 1..=5).await;
    // Another node began a rebuild and froze. Its token is replaced before it continues.
    let meta = key(&coupon.id, "meta");
    node.raw::<()>(&["HSET", &meta, "rebuilding", "token of a frozen node"]).await;
    node.engine.rebuild(&coupon, evidence(5), &rows.store).await.unwrap();
    assert!(!node.raw::<bool>(&["HEXISTS", &meta, "rebuilding"]).await);
    assert_eq!(node.raw::<u32>(&["HLEN", &key(&coupon.id, "participants")]).await, 5);
}

#[tokio::test]
async fn a_redis_of_the_epoch_before_a_rebuild_is_not_accepted() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(9).await;
    let id = &coupon.id;
    node.admit(id, &["m1"]).await.unwrap();
    let copies = node.dump(id).await;
    let rows = Rows::of(&coupon, 1..=1).await;
    node.engine.halt_and_report(id);
    let epoch = node.engine.rebuild(&coupon, evidence(1), &rows.store).await.unwrap();
    node.engine.resume(id).await.unwrap();
    for (part, copy) in ["meta", "stock", "participants", "outbox"].iter().zip(copies) {
        node.restore(&key(id, part), &copy.expect("it was there")).await;
    }
    assert_fenced(
        node.engine.verify(&coupon, HighWatermark { epoch, issued: 1 }).await,
        "before its rebuild",
    );
    node.engine.halt_and_report(id);
    assert_fenced(node.engine.resume(id).await, "before its rebuild");
}

#[tokio::test]
async fn a_redis_with_fewer_issuances_than_a_node_has_seen_is_fenced_for_that_node() {
    let (one, other) = (Node::at(&redis_url()).await, Node::at(&redis_url()).await);
    let coupon = one.open_coupon(9).await;
    let id = &coupon.id;
    one.admit(id, &["a"]).await.unwrap();
    let mut copies = Vec::new();
    for part in ["meta", "stock", "participants", "outbox"] {
        copies.push((key(id, part), one.dump_key(&key(id, part)).await));
    }
    other.admit(id, &["b", "c"]).await.unwrap();
    for (name, copy) in copies {
        one.restore(&name, &copy).await;
    }
    // The fence works for the node that saw three issuances. The node that saw one cannot detect the loss.
    for answer in [other.admit(id, &["d"]).await, other.admit(id, &["b"]).await] {
        assert_fenced(answer, "holds 1 issuances, but 3 are known");
    }
    assert_fenced(other.engine.find(id, &member("b")).await, "but 3 are known");
    assert_fenced(other.engine.holders(id, 0).await, "but 3 are known");
    let report = other.engine.halt_and_report(id);
    let decided: Vec<_> = report.decided.iter().map(|entry| entry.member.as_str()).collect();
    assert_eq!((report.issued, decided), (3, vec!["b", "c"]));
}

#[tokio::test]
async fn verifying_takes_the_catalogues_rules_but_keeps_a_stricter_lifecycle() {
    let node = Node::at(&redis_url()).await;
    let mut coupon = node.open_coupon(5).await;
    let id = coupon.id.clone();
    node.admit(&id, &["a"]).await.unwrap();
    coupon.inventory = openrun::domain::Inventory::with_issued(8, 1).unwrap();
    coupon.lifecycle = Lifecycle::Paused;
    node.verify(&coupon, 1).await.unwrap();
    let standing = node.engine.standing(&id).await.unwrap();
    assert_eq!((standing.inventory.total(), standing.lifecycle), (8, Lifecycle::Paused));
    coupon.lifecycle = Lifecycle::Active;
    node.verify(&coupon, 1).await.unwrap();
    assert_eq!(node.engine.standing(&id).await.unwrap().lifecycle, Lifecycle::Paused);
}

#[tokio::test]
async fn a_suspended_coupon_is_fenced() {
    let (one, other) = (Node::at(&redis_url()).await, Node::at(&redis_url()).await);
    let coupon = one.open_coupon(5).await;
    other.admit(&coupon.id, &["a"]).await.unwrap();
    let epoch = one.engine.suspend(&coupon.id).await.unwrap();
    assert_fenced(other.admit(&coupon.id, &["b"]).await, "not been verified");
    let entries = one.engine.undelivered(&coupon.id, epoch, 0, 10).await.unwrap();
    assert_eq!(entries.len(), 1, "the outbox is still readable");
    assert_eq!(
        one.engine.suspend(&crate::arrange::coupon(5, 0).id).await.unwrap(),
        0,
        "an unknown coupon is no error"
    );
    assert!(matches!(
        one.engine.verify(&crate::arrange::coupon(5, 0), evidence(0)).await,
        Err(EngineError::UnknownCoupon)
    ));
}
