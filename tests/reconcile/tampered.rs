//! Differences that only an operator can decide: they are reported and left as they are.

use openrun::domain::{IssuedCoupon, Timestamp};
use openrun::ports::IssuanceStore;
use serde_json::{Value, json};

use crate::arrange::{Stage, member};
use crate::support::node::NodeProcess;
use crate::support::races::http;

/// Panics unless reconciling reports exactly these findings and leaves every row as it is.
async fn assert_drift(stage: &Stage, expected: &[(&str, Option<u64>, Option<&str>)]) {
    stage.until_nothing_in_flight().await;
    let before = stage.rows().await;
    for flags in [&["--dry-run"][..], &[], &[]] {
        let output = stage.reconcile(flags).await;
        output.assert_findings(expected);
    }
    assert_eq!(stage.rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_engine_does_not_know_is_extra() {
    let stage = Stage::consistent().await;
    stage.insert_extra_row().await;
    assert_drift(&stage, &[("extra", Some(7), Some("eve"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_a_changed_member_code_or_time_conflicts() {
    for change in
        ["member_id = 'eve'", "code = '00000-00000-00000-00000'", "issued_at = issued_at + interval '1 s'"]
    {
        let stage = Stage::consistent().await;
        stage
            .sql(&format!("UPDATE coupon_issuances SET {change} WHERE coupon_id = :coupon AND sequence = 2"))
            .await;
        let member = if change.contains("eve") { "eve" } else { "m2" };
        assert_drift(&stage, &[("conflicting", Some(2), Some(member))]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_with_swapped_sequences_conflict() {
    let stage = Stage::consistent().await;
    stage
        .sql(
            "UPDATE coupon_issuances SET sequence = 9 WHERE coupon_id = :coupon AND sequence = 1;
        UPDATE coupon_issuances SET sequence = 1 WHERE coupon_id = :coupon AND sequence = 2;
        UPDATE coupon_issuances SET sequence = 2 WHERE coupon_id = :coupon AND sequence = 9",
        )
        .await;
    assert_drift(&stage, &[("conflicting", Some(1), Some("m2")), ("conflicting", Some(2), Some("m1"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_missing_in_the_engine_is_found_by_the_row() {
    let stage = Stage::consistent().await;
    stage.redis("HDEL", "participants", &["m3"]).await;
    assert_drift(&stage, &[("counts", None, None), ("extra", Some(3), Some("m3"))]).await;
    // With a corrected stock the counts agree again, but the engine's count is one too low.
    stage.redis("INCR", "stock", &[]).await;
    let expected =
        [("extra", Some(3), Some("m3")), ("counts", Some(5), None), ("counts", Some(5), Some("m5"))];
    assert_drift(&stage, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_without_a_holder_is_a_gap() {
    let stage = Stage::consistent().await;
    stage.redis("HDEL", "participants", &["m3"]).await;
    stage.redis("HSET", "participants", &["m6", &stage.participant_value(5).replace("5 ", "6 ")]).await;
    stage.redis("DECR", "stock", &[]).await;
    stage.redis("HSET", "participants", &["m7", &stage.participant_value(5).replace("5 ", "7 ")]).await;
    stage.sql("DELETE FROM coupon_issuances WHERE coupon_id = :coupon AND sequence = 3").await;
    stage.until_nothing_in_flight().await;
    let output = stage.reconcile(&["--dry-run"]).await;
    output.assert_findings(&[
        ("gap", Some(3), None),
        ("missing", Some(6), Some("m6")),
        ("counts", Some(7), None),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_with_two_holders_is_reported() {
    let stage = Stage::consistent().await;
    stage.redis("HSET", "participants", &["m2", &stage.participant_value(1)]).await;
    assert_drift(&stage, &[("conflicting", Some(1), None), ("conflicting", Some(2), Some("m2"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_entry_that_the_engine_never_issued_is_reported() {
    let stage = Stage::consistent().await;
    let meta = format!("coupon:{{{}}}:meta", stage.coupon.id);
    let mut redis = stage.redis.clone();
    let epoch: String =
        redis::cmd("HGET").arg(meta).arg("epoch").query_async(&mut redis).await.expect("the key exists");
    stage.redis("DEL", "outbox", &[]).await;
    stage.redis("XADD", "outbox", &[&format!("{epoch}-3"), "m", "eve", "t", "1700000000000"]).await;
    assert_drift(&stage, &[("conflicting", Some(3), Some("eve"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_reported_until_it_is_settled() {
    let stage = Stage::consistent().await;
    let rival = IssuedCoupon {
        member_id: member(99),
        code: stage.coupon.salt.code(&stage.coupon.id, &member(99)),
        issued_at: Timestamp::from_ms(1_700_000_000_000),
        ..stage.issuance(1).clone()
    };
    stage.store.insert(&[rival]).await.expect("the database answers");
    assert_drift(&stage, &[("conflicting", Some(1), Some("m99"))]).await;
    assert_eq!(stage.reconcile(&[]).await.coupon()["settled"], 0);
    stage.settle_conflicts().await;
    assert_drift(&stage, &[]).await;
    assert_eq!(stage.reconcile(&[]).await.coupon()["settled"], 1);
    let verification = stage.verify(&[]).await;
    assert_eq!(
        (verification.code, verification.broken_promises(), &verification.coupon()["settled"]),
        (0, vec![], &1.into())
    );
    for command in ["reconcile", "verify"] {
        let text = stage.run(command, &[]).await;
        let shows = format!("openrun conflicts list --coupon {} --settled", stage.coupon.id);
        assert!(text.code == 0 && text.stdout.contains(&shows), "{text:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_missing_in_the_engine_is_not_compared() {
    let stage = Stage::consistent().await;
    for part in ["meta", "stock", "participants", "outbox"] {
        stage.redis("DEL", part, &[]).await;
    }
    assert_drift(&stage, &[("not_compared", None, None)]).await;
    // The same for a restarted Redis that is not verified yet.
    let fenced = Stage::consistent().await;
    fenced.redis("HSET", "meta", &["run_id", "another"]).await;
    assert_drift(&fenced, &[("not_compared", None, None)]).await;
    let (output, table) = (fenced.reconcile(&[]).await, fenced.run("reconcile", &[]).await);
    assert_eq!(output.coupon()["compared"], false, "{output:#?}");
    assert!(table.stdout.contains(" - "), "a figure is shown although nothing was counted: {table:#?}");
    let verification = fenced.verify(&[]).await;
    assert_eq!(
        (verification.code, verification.broken_promises()),
        (1, vec![]),
        "an unreadable coupon breaks no promise"
    );
    assert_eq!(verification.json()["unproven"], 3);
    let text = fenced.run("verify", &[]).await.stdout;
    assert!(text.contains("not proven") && !text.contains("BROKEN"), "{text}");
    assert!(text.contains("if they stay closed, see `openrun lost-numbers list`."), "{text}");
    let text = fenced.run("reconcile", &[]).await.stdout;
    assert!(text.contains("; if that lasts, see `openrun lost-numbers list`"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_a_sentence_with_coupon_member_sequence_and_code() {
    let stage = Stage::consistent().await;
    stage.insert_extra_row().await;
    let output = stage.run("reconcile", &["--coupon", stage.coupon.id.as_str()]).await;
    assert_eq!(output.code, 1, "{output:#?}");
    for word in
        [stage.coupon.id.as_str(), "extra", "eve", "sequence 7", "00000-00000-00000-00000", "1 remains"]
    {
        assert!(output.stdout.contains(word), "{word}: {output:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_missing_in_the_database_is_reported() {
    let stage = Stage::consistent().await;
    // The state after a restore of the database to a time before the coupon was created.
    stage
        .sql(
            "DELETE FROM coupon_issuances WHERE coupon_id = :coupon;
            DELETE FROM coupons WHERE id = :coupon",
        )
        .await;
    assert_drift(&stage, &[("not_compared", None, None)]).await;
    let output = stage.reconcile(&[]).await;
    let [finding] = &output.findings()[..] else { panic!("{output:#?}") };
    assert!(finding.detail.contains("of which 5 are issued"), "{finding:?}");
    assert_eq!(output.coupon()["coupon_id"], stage.coupon.id.as_str());
    let verification = stage.verify(&[]).await;
    assert_eq!(
        (verification.code, verification.broken_promises()),
        (1, vec![]),
        "an unreadable coupon breaks no promise"
    );

    // A new coupon with this id would have another secret, so the members' codes would change.
    let node = NodeProcess::redis_lua(&stage.stack).start().await;
    let same_id = json!({ "id": stage.coupon.id.as_str(), "name": "Again", "total": 10 });
    let answer = http().post(node.url("/v1/coupons")).json(&same_id).send().await.expect("an answer");
    assert_eq!(answer.status(), 409);
    let problem: Value = answer.json().await.expect("a problem");
    assert_eq!(problem["code"], "coupon_exists");
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("restore the database")),
        "{problem}"
    );
    let unknown = http().get(node.url(&format!("/v1/coupons/{}", stage.coupon.id))).send().await;
    assert_eq!(unknown.expect("an answer").status(), 404, "no coupon was created");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_separates_repairable_findings_from_the_rest() {
    let stage = Stage::with(10, 5, 2).await;
    stage.until_nothing_in_flight().await;
    stage.insert_extra_row().await;
    let output = stage.run("reconcile", &["--dry-run", "--coupon", stage.coupon.id.as_str()]).await;
    assert_eq!(output.code, 1, "{output:#?}");
    let count = |start: &str| output.stdout.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("  would be repaired  delayed, sequence "), 3, "{output:#?}");
    assert_eq!(count("  remains            extra, sequence 7"), 1, "{output:#?}");
    assert!(output.stdout.ends_with("They disagree: 3 would be repaired, 1 remains.\n"), "{output:#?}");
    let done = stage.run("reconcile", &["--coupon", stage.coupon.id.as_str()]).await;
    assert!(done.stdout.ends_with("They disagree: 1 remains, 3 repaired.\n"), "{done:#?}");
}
