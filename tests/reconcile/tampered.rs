//! What only a person can decide about: it is told by name, and left as it is.

use openrun::domain::{IssuedCoupon, Timestamp};
use openrun::ports::IssuanceStore;
use serde_json::{Value, json};

use crate::arrange::{Stage, member};
use crate::support::node::NodeProcess;
use crate::support::races::http;

/// Panics unless reconciling finds exactly this, with the exit code that fits, and leaves every row as it is.
async fn finds(stage: &Stage, expected: &[(&str, Option<u64>, Option<&str>)]) {
    stage.settle().await;
    let before = stage.rows().await;
    for flags in [&["--dry-run"][..], &[], &[]] {
        let told = stage.reconcile(flags).await;
        told.assert_findings(expected);
    }
    assert_eq!(stage.rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_stranger_is_extra() {
    let stage = Stage::settled().await;
    stage.insert_a_strangers_row().await;
    finds(&stage, &[("extra", Some(7), Some("eve"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_member_code_or_time_was_changed_conflicts() {
    for change in
        ["member_id = 'eve'", "code = '00000-00000-00000-00000'", "issued_at = issued_at + interval '1 s'"]
    {
        let stage = Stage::settled().await;
        stage
            .sql(&format!("UPDATE coupon_issuances SET {change} WHERE coupon_id = :coupon AND sequence = 2"))
            .await;
        let who = if change.contains("eve") { "eve" } else { "m2" };
        finds(&stage, &[("conflicting", Some(2), Some(who))]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_that_changed_places_conflict() {
    let stage = Stage::settled().await;
    stage
        .sql(
            "UPDATE coupon_issuances SET sequence = 9 WHERE coupon_id = :coupon AND sequence = 1;
        UPDATE coupon_issuances SET sequence = 1 WHERE coupon_id = :coupon AND sequence = 2;
        UPDATE coupon_issuances SET sequence = 2 WHERE coupon_id = :coupon AND sequence = 9",
        )
        .await;
    finds(&stage, &[("conflicting", Some(1), Some("m2")), ("conflicting", Some(2), Some("m1"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_vanished_from_the_engine_is_found_by_the_row() {
    let stage = Stage::settled().await;
    stage.redis("HDEL", "participants", &["m3"]).await;
    finds(&stage, &[("counts", None, None), ("extra", Some(3), Some("m3"))]).await;
    // Somebody covers it up: the counts agree again, and what the engine counts ends one too early.
    stage.redis("INCR", "stock", &[]).await;
    let expected =
        [("extra", Some(3), Some("m3")), ("counts", Some(5), None), ("counts", Some(5), Some("m5"))];
    finds(&stage, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_that_nobody_holds_is_a_gap() {
    let stage = Stage::settled().await;
    stage.redis("HDEL", "participants", &["m3"]).await;
    stage.redis("HSET", "participants", &["m6", &stage.holding(5).replace("5 ", "6 ")]).await;
    stage.redis("DECR", "stock", &[]).await;
    stage.redis("HSET", "participants", &["m7", &stage.holding(5).replace("5 ", "7 ")]).await;
    stage.sql("DELETE FROM coupon_issuances WHERE coupon_id = :coupon AND sequence = 3").await;
    stage.settle().await;
    let told = stage.reconcile(&["--dry-run"]).await;
    told.assert_findings(&[
        ("gap", Some(3), None),
        ("missing", Some(6), Some("m6")),
        ("counts", Some(7), None),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_that_two_hold_is_told() {
    let stage = Stage::settled().await;
    stage.redis("HSET", "participants", &["m2", &stage.holding(1)]).await;
    finds(&stage, &[("conflicting", Some(1), None), ("conflicting", Some(2), Some("m2"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_the_outbox_that_the_engine_never_issued_is_told() {
    let stage = Stage::settled().await;
    let meta = format!("coupon:{{{}}}:meta", stage.coupon.id);
    let mut redis = stage.redis.clone();
    let epoch: String =
        redis::cmd("HGET").arg(meta).arg("epoch").query_async(&mut redis).await.expect("it is there");
    stage.redis("DEL", "outbox", &[]).await;
    stage.redis("XADD", "outbox", &[&format!("{epoch}-3"), "m", "eve", "t", "1700000000000"]).await;
    finds(&stage, &[("conflicting", Some(3), Some("eve"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_quarantine_is_told_until_it_is_settled() {
    let stage = Stage::settled().await;
    let rival = IssuedCoupon {
        member_id: member(99),
        code: stage.coupon.salt.code(&stage.coupon.id, &member(99)),
        issued_at: Timestamp::from_ms(1_700_000_000_000),
        ..stage.at(1).clone()
    };
    stage.store.insert(&[rival]).await.expect("the database answers");
    finds(&stage, &[("conflicting", Some(1), Some("m99"))]).await;
    assert_eq!(stage.reconcile(&[]).await.coupon()["settled"], 0);
    stage.settle_contradictions().await;
    finds(&stage, &[]).await;
    assert_eq!(stage.reconcile(&[]).await.coupon()["settled"], 1);
    let proven = stage.verify(&[]).await;
    assert_eq!((proven.code, proven.broken(), &proven.coupon()["settled"]), (0, vec![], &1.into()));
    for command in ["reconcile", "verify"] {
        let text = stage.run(command, &[]).await;
        let shows = format!("openrun conflicts list --coupon {} --settled", stage.coupon.id);
        assert!(text.code == 0 && text.stdout.contains(&shows), "{text:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_that_the_engine_lost_is_not_compared() {
    let stage = Stage::settled().await;
    for part in ["meta", "stock", "participants", "outbox"] {
        stage.redis("DEL", part, &[]).await;
    }
    finds(&stage, &[("not_compared", None, None)]).await;
    // The same while Redis has not been verified since it restarted.
    let fenced = Stage::settled().await;
    fenced.redis("HSET", "meta", &["run_id", "another"]).await;
    finds(&fenced, &[("not_compared", None, None)]).await;
    let (told, table) = (fenced.reconcile(&[]).await, fenced.run("reconcile", &[]).await);
    assert_eq!(told.coupon()["compared"], false, "{told:#?}");
    assert!(table.stdout.contains(" - "), "a number that was not counted is shown: {table:#?}");
    let proven = fenced.verify(&[]).await;
    assert_eq!((proven.code, proven.broken()), (1, vec![]), "what cannot be looked at is not broken");
    assert_eq!(proven.json()["unproven"], 3);
    let text = fenced.run("verify", &[]).await.stdout;
    assert!(text.contains("not proven") && !text.contains("BROKEN"), "{text}");
    assert!(text.contains("if they stay closed, see `openrun lost-numbers list`."), "{text}");
    let text = fenced.run("reconcile", &[]).await.stdout;
    assert!(text.contains("; if that lasts, see `openrun lost-numbers list`"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_says_it_in_a_sentence_and_names_coupon_member_sequence_and_code() {
    let stage = Stage::settled().await;
    stage.insert_a_strangers_row().await;
    let told = stage.run("reconcile", &["--coupon", stage.coupon.id.as_str()]).await;
    assert_eq!(told.code, 1, "{told:#?}");
    for word in
        [stage.coupon.id.as_str(), "extra", "eve", "sequence 7", "00000-00000-00000-00000", "1 remains"]
    {
        assert!(told.stdout.contains(word), "{word}: {told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_that_the_database_does_not_know_is_named() {
    let stage = Stage::settled().await;
    // The database is put back to before the coupon was created, and Redis is not.
    stage
        .sql(
            "DELETE FROM coupon_issuances WHERE coupon_id = :coupon;
            DELETE FROM coupons WHERE id = :coupon",
        )
        .await;
    finds(&stage, &[("not_compared", None, None)]).await;
    let told = stage.reconcile(&[]).await;
    let [finding] = &told.findings()[..] else { panic!("{told:#?}") };
    assert!(finding.detail.contains("of which 5 are issued"), "{finding:?}");
    assert_eq!(told.coupon()["coupon_id"], stage.coupon.id.as_str());
    let proven = stage.verify(&[]).await;
    assert_eq!((proven.code, proven.broken()), (1, vec![]), "what cannot be looked at is not broken");

    // A coupon of the same name would give its members other codes than they were told.
    let node = NodeProcess::redis_lua(&stage.stack).start().await;
    let wanted = json!({ "id": stage.coupon.id.as_str(), "name": "Again", "total": 10 });
    let answer = http().post(node.url("/v1/coupons")).json(&wanted).send().await.expect("an answer");
    assert_eq!(answer.status(), 409);
    let problem: Value = answer.json().await.expect("a problem");
    assert_eq!(problem["code"], "coupon_exists");
    assert!(problem["detail"].as_str().is_some_and(|why| why.contains("restore the database")), "{problem}");
    let unknown = http().get(node.url(&format!("/v1/coupons/{}", stage.coupon.id))).send().await;
    assert_eq!(unknown.expect("an answer").status(), 404, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_be_repaired_from_what_remains() {
    let stage = Stage::with(10, 5, 2).await;
    stage.settle().await;
    stage.insert_a_strangers_row().await;
    let told = stage.run("reconcile", &["--dry-run", "--coupon", stage.coupon.id.as_str()]).await;
    assert_eq!(told.code, 1, "{told:#?}");
    let begins = |words: &str| told.stdout.lines().filter(|line| line.starts_with(words)).count();
    assert_eq!(begins("  would be repaired  delayed, sequence "), 3, "{told:#?}");
    assert_eq!(begins("  remains            extra, sequence 7"), 1, "{told:#?}");
    assert!(told.stdout.ends_with("They disagree: 3 would be repaired, 1 remains.\n"), "{told:#?}");
    let done = stage.run("reconcile", &["--coupon", stage.coupon.id.as_str()]).await;
    assert!(done.stdout.ends_with("They disagree: 1 remains, 3 repaired.\n"), "{done:#?}");
}
