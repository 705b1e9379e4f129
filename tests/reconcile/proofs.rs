//! `openrun verify`: it finds what is broken, and writes nothing.

use openrun::ports::IssuanceStore;
use sqlx::{Connection, PgConnection};

use crate::arrange::{Stage, Told};

/// Everything that could have been written, as it is now.
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

/// Panics unless exactly these promises are broken, by somebody whom `named` names; and nothing has changed.
async fn breaks(stage: &Stage, expected: &[&str], named: &str) {
    let before = fingerprint(stage).await;
    let told = stage.verify(&[]).await;
    assert_eq!(fingerprint(stage).await, before, "verify has written something");
    let broken = told.broken();
    let names: Vec<&str> = broken.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected, "{told:#?}");
    assert_eq!(
        (told.code, &told.json()["broken"]),
        (i32::from(!expected.is_empty()), &expected.len().into())
    );
    assert!(
        expected.is_empty() || broken.iter().any(|(_, who)| who.iter().any(|who| who.contains(named))),
        "{told:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_nobody_has_touched_breaks_nothing() {
    let stage = Stage::settled().await;
    breaks(&stage, &[], "").await;
    let text = stage.run("verify", &[]).await;
    assert!(text.code == 0 && text.stdout.contains("Every promise is held."), "{text:#?}");
    // Nobody has asked for this one yet.
    breaks(&Stage::with(10, 0, 0).await, &[], "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_tampered_with() {
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
        let stage = Stage::settled().await;
        stage.sql(statements).await;
        breaks(&stage, expected, named).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_two_rows() {
    let stage = Stage::settled().await;
    stage
        .sql(
            "ALTER TABLE coupon_issuances DROP CONSTRAINT coupon_issuances_one_a_member;
        UPDATE coupon_issuances SET member_id = 'm1' WHERE coupon_id = :coupon AND sequence = 4",
        )
        .await;
    breaks(&stage, &["one_a_member", "codes", "told_is_stored"], "m1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_was_tampered_with() {
    let stage = Stage::settled().await;
    stage.redis("HDEL", "participants", &["m3"]).await;
    breaks(&stage, &["told_is_stored", "counts_agree"], "m3").await;
    let stage = Stage::with(10, 5, 3).await;
    breaks(&stage, &["told_is_stored"], "m4").await;
    let meta = format!("coupon:{{{}}}:meta", stage.coupon.id);
    let epoch: String = redis::cmd("HGET")
        .arg(meta)
        .arg("epoch")
        .query_async(&mut stage.redis.clone())
        .await
        .expect("it is there");
    stage.store.insert(&stage.issued).await.expect("they can be written");
    stage.redis("DEL", "outbox", &[]).await;
    stage.redis("XADD", "outbox", &[&format!("{epoch}-3"), "m", "eve", "t", "1700000000000"]).await;
    breaks(&stage, &["outbox_is_true"], "eve").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_told_where_there_is_a_queue() {
    let stage = Stage::settled().await;
    assert!(stage.verify(&[]).await.json()["dead_letters"].is_null(), "nobody has declared a queue");
    let node = crate::support::node::NodeProcess::redis_lua(&stage.stack).start().await;
    let told = stage.verify(&[]).await;
    assert_eq!((told.code, &told.json()["dead_letters"]), (0, &0.into()), "{told:#?}");
    drop(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_demo_keeps_every_promise() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = [("OPENRUN_DATA_DIR", directory.path().to_str().expect("text"))];
    let race = ["demo", "--members", "300", "--stock", "40", "--clients", "16"];
    let raced = Told::by(&race, &settings).await;
    assert_eq!(raced.code, 0, "{raced:#?}");
    let proven = Told::by(&["verify", "--json"], &settings).await;
    assert_eq!(
        (proven.code, proven.broken(), &proven.coupon()["rows"]),
        (0, vec![], &40.into()),
        "{proven:#?}"
    );
}
