//! `openrun verify` finds broken promises and writes nothing.

use openrun::ports::IssuanceStore;
use sqlx::{Connection, PgConnection};

use crate::arrange::{CommandOutput, Stage};

/// A digest of all data that the command could write.
async fn fingerprint(stage: &Stage) -> Vec<String> {
    let mut connection = PgConnection::connect(&stage.stack.database_url).await.expect("PostgreSQL is there");
    let tables = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM (
        SELECT 'c' || c::text AS t FROM coupons c UNION ALL SELECT 'i' || i::text FROM coupon_issuances i
        UNION ALL SELECT 'q' || q::text FROM issuance_conflicts q) AS t";
    let mut found = vec![sqlx::query_scalar(tables).fetch_one(&mut connection).await.expect("an answer")];
    for part in ["meta", "stock", "participants", "outbox"] {
        let key = format!("coupon:{{{}}}:{part}", stage.coupon.id);
        let dump: Option<Vec<u8>> =
            redis::cmd("DUMP").arg(key).query_async(&mut stage.redis.clone()).await.expect("an answer");
        found.push(format!("{dump:?}"));
    }
    found
}

/// Panics unless `verify` reports exactly these broken promises, an offender contains `named`, and no data changed.
async fn assert_broken(stage: &Stage, expected: &[&str], named: &str) {
    let before = fingerprint(stage).await;
    let output = stage.verify(&[]).await;
    assert_eq!(fingerprint(stage).await, before, "verify has written something");
    let broken = output.broken_promises();
    let names: Vec<&str> = broken.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected, "{output:#?}");
    assert_eq!(
        (output.code, &output.json()["broken"]),
        (i32::from(!expected.is_empty()), &expected.len().into())
    );
    assert!(
        expected.is_empty()
            || broken.iter().any(|(_, offenders)| offenders.iter().any(|text| text.contains(named))),
        "{output:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn untouched_data_breaks_no_promise() {
    let stage = Stage::consistent().await;
    assert_broken(&stage, &[], "").await;
    let text = stage.run("verify", &[]).await;
    assert!(text.code == 0 && text.stdout.contains("Every promise is held."), "{text:#?}");
    // A coupon without issuances.
    assert_broken(&Stage::with(10, 0, 0).await, &[], "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tampered_rows_break_promises() {
    for (statements, expected, named) in [
        (
            "DELETE FROM coupon_issuances WHERE coupon_id = :coupon AND sequence = 2",
            &["dense", "told_is_stored"][..],
            "m2",
        ),
        (
            "INSERT INTO coupon_issuances VALUES (:coupon, 11, 'eve', '00000-00000-00000-00000', 'UNUSED', now())",
            &["dense", "within_total", "codes", "told_is_stored"],
            "eve",
        ),
        (
            "UPDATE coupon_issuances SET issued_at = issued_at - interval '1 s' WHERE coupon_id = :coupon AND sequence = 3",
            &["in_order", "told_is_stored"],
            "sequence 3",
        ),
        (
            "UPDATE coupon_issuances SET issued_at = issued_at - interval '2 h' WHERE coupon_id = :coupon",
            &["in_order", "told_is_stored"],
            "outside the window",
        ),
        (
            "UPDATE coupon_issuances SET code = '00000-00000-00000-00000' WHERE coupon_id = :coupon AND sequence = 3",
            &["codes", "told_is_stored"],
            "m3",
        ),
        ("UPDATE coupons SET total = 4 WHERE id = :coupon", &["within_total", "counts_agree"], "m5"),
        (
            "INSERT INTO issuance_conflicts VALUES (:coupon, 1, 'eve', '00000-00000-00000-00000', now(), 'm1 has it')",
            &["nothing_contradicts"],
            "eve",
        ),
    ] {
        let stage = Stage::consistent().await;
        stage.sql(statements).await;
        assert_broken(&stage, expected, named).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_two_rows_breaks_promises() {
    let stage = Stage::consistent().await;
    stage
        .sql(
            "ALTER TABLE coupon_issuances DROP CONSTRAINT coupon_issuances_one_a_member;
        UPDATE coupon_issuances SET member_id = 'm1' WHERE coupon_id = :coupon AND sequence = 4",
        )
        .await;
    assert_broken(&stage, &["one_a_member", "codes", "told_is_stored"], "m1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tampered_data_of_the_engine_breaks_promises() {
    let stage = Stage::consistent().await;
    stage.redis("HDEL", "participants", &["m3"]).await;
    assert_broken(&stage, &["told_is_stored", "counts_agree"], "m3").await;
    let stage = Stage::with(10, 5, 3).await;
    assert_broken(&stage, &["told_is_stored"], "m4").await;
    let meta = format!("coupon:{{{}}}:meta", stage.coupon.id);
    let epoch: String = redis::cmd("HGET")
        .arg(meta)
        .arg("epoch")
        .query_async(&mut stage.redis.clone())
        .await
        .expect("the key exists");
    stage.store.insert(&stage.issued).await.expect("the rows can be written");
    stage.redis("DEL", "outbox", &[]).await;
    stage.redis("XADD", "outbox", &[&format!("{epoch}-3"), "m", "eve", "t", "1700000000000"]).await;
    assert_broken(&stage, &["outbox_is_true"], "eve").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_counted_if_the_queue_exists() {
    let stage = Stage::consistent().await;
    assert!(stage.verify(&[]).await.json()["dead_letters"].is_null(), "no queue is declared");
    let node = crate::support::node::NodeProcess::redis_lua(&stage.stack).start().await;
    let output = stage.verify(&[]).await;
    assert_eq!((output.code, &output.json()["dead_letters"]), (0, &0.into()), "{output:#?}");
    drop(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_demo_keeps_every_promise() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = [("OPENRUN_DATA_DIR", directory.path().to_str().expect("text"))];
    let race = ["demo", "--members", "300", "--stock", "40", "--clients", "16"];
    let raced = CommandOutput::of(&race, &settings).await;
    assert_eq!(raced.code, 0, "{raced:#?}");
    let verification = CommandOutput::of(&["verify", "--json"], &settings).await;
    assert_eq!(
        (verification.code, verification.broken_promises(), &verification.coupon()["rows"]),
        (0, vec![], &40.into()),
        "{verification:#?}"
    );
}
