//! Missing and delayed rows, which a run repairs.

use openrun::ports::Outbox;

use crate::arrange::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn consistent_data_is_reported_in_figures_and_left_alone() {
    let stage = Stage::consistent().await;
    let output = stage.reconcile(&[]).await;
    output.assert_findings(&[]);
    let coupon = output.coupon();
    assert_eq!(coupon["coupon_id"], stage.coupon.id.as_str());
    for (figure, value) in [("total", 10), ("issued", 5), ("participants", 5), ("outbox", 0), ("rows", 5)] {
        assert_eq!(coupon[figure], value, "{figure}: {coupon}");
    }
    let text = stage.run("reconcile", &[]).await;
    assert!(text.code == 0 && text.stdout.contains("Engine, outbox and database agree."), "{text:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_row_is_written_again_unchanged() {
    let stage = Stage::consistent().await;
    stage.sql("DELETE FROM coupon_issuances WHERE coupon_id = :coupon AND sequence IN (2, 5)").await;
    stage.until_nothing_in_flight().await;
    let expected = [("missing", Some(2), Some("m2")), ("missing", Some(5), Some("m5"))];
    // A dry run changes nothing, however often.
    for _ in 0..2 {
        let output = stage.reconcile(&["--dry-run"]).await;
        output.assert_findings(&expected);
        assert_eq!(
            output.findings()[0].code.as_deref(),
            Some(stage.issuance(2).code.as_str()),
            "the finding has the code"
        );
        assert_eq!((output.code, stage.rows().await.len()), (1, 3));
    }
    let output = stage.reconcile(&[]).await;
    output.assert_findings(&expected);
    assert_eq!(output.code, 0);
    assert_eq!(stage.rows().await, stage.issued);
    stage.reconcile(&[]).await.assert_findings(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_outbox_entries_are_delayed_and_young_ones_are_in_flight() {
    let stage = Stage::with(10, 5, 2).await;
    let young = stage.reconcile(&[]).await;
    young.assert_findings(&[]);
    assert_eq!((&young.coupon()["in_flight"], &young.coupon()["rows"]), (&3.into(), &2.into()));
    stage.until_nothing_in_flight().await;
    let delayed =
        |sequence| ("delayed", Some(sequence), ["m3", "m4", "m5"].get(sequence as usize - 3).copied());
    let output = stage.reconcile(&[]).await;
    output.assert_findings(&[delayed(3), delayed(4), delayed(5)]);
    assert_eq!((output.code, stage.rows().await), (0, stage.issued.clone()));
    // Trimming the outbox is the sweep's task, not the reconciler's.
    assert_eq!(stage.engine.outbox().depth(&stage.coupon.id).await.expect("an answer"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuance_in_neither_outbox_nor_database_is_missing() {
    let stage = Stage::with(10, 5, 2).await;
    // A hole in the outbox: only the holders hash still has the fourth issuance.
    let meta = format!("coupon:{{{}}}:meta", stage.coupon.id);
    let mut redis = stage.redis.clone();
    let epoch: String =
        redis::cmd("HGET").arg(meta).arg("epoch").query_async(&mut redis).await.expect("the key exists");
    stage.redis("XDEL", "outbox", &[&format!("{epoch}-4")]).await;
    stage.until_nothing_in_flight().await;
    let output = stage.reconcile(&[]).await;
    output.assert_findings(&[
        ("delayed", Some(3), Some("m3")),
        ("missing", Some(4), Some("m4")),
        ("delayed", Some(5), Some("m5")),
    ]);
    assert_eq!(stage.rows().await, stage.issued);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflicting_issuance_does_not_overwrite_the_row() {
    let stage = Stage::consistent().await;
    // The second row is deleted, and its member has another row.
    stage
        .sql(
            "DELETE FROM coupon_issuances WHERE coupon_id = :coupon AND sequence = 2;
        UPDATE coupon_issuances SET sequence = 7 WHERE coupon_id = :coupon AND sequence = 3;
        UPDATE coupon_issuances SET member_id = 'm2' WHERE coupon_id = :coupon AND sequence = 7",
        )
        .await;
    stage.until_nothing_in_flight().await;
    let before = stage.rows().await;
    let output = stage.reconcile(&[]).await;
    assert_eq!(output.code, 1, "{output:#?}");
    let kinds: Vec<_> =
        output.findings().into_iter().map(|found| (found.kind, found.sequence.unwrap_or(0))).collect();
    let named = |kind: &str, sequence| (kind.to_owned(), sequence);
    // The third row cannot be written, because the tampered row still has its code.
    assert_eq!(
        kinds,
        [named("conflicting", 2), named("conflicting", 3), named("conflicting", 7)],
        "{output:#?}"
    );
    assert_eq!(stage.rows().await, before, "existing rows stay");
    let quarantined = stage.conflicts().await;
    assert_eq!(quarantined.len(), 2, "{quarantined:#?}");
    // A settled conflict hides no difference between engine and rows.
    stage.settle_conflicts().await;
    let output = stage.reconcile(&[]).await;
    assert_eq!((output.code, &output.coupon()["settled"]), (1, &2.into()), "{output:#?}");
    assert_eq!(output.findings().len(), 3, "{output:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_is_too_low_is_raised_and_the_refused_rows_are_written() {
    let stage = Stage::with(10, 5, 2).await;
    stage.sql("UPDATE coupons SET total = 3 WHERE id = :coupon").await;
    stage.until_nothing_in_flight().await;
    let output = stage.reconcile(&[]).await;
    assert_eq!((output.code, &output.json()["repaired"]), (0, &4.into()), "{output:#?}");
    assert!(output.findings().iter().any(|found| found.kind == "total"), "{output:#?}");
    assert_eq!(stage.rows().await, stage.issued);
    stage.sql("UPDATE coupons SET total = 12 WHERE id = :coupon").await;
    stage.reconcile(&[]).await.assert_findings(&[("total", None, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_database_rejects_does_not_block_others() {
    let stage = Stage::consistent().await;
    stage
        .sql(
            "DELETE FROM coupon_issuances WHERE coupon_id = :coupon;
        ALTER TABLE coupon_issuances ADD CHECK (member_id <> 'm3')",
        )
        .await;
    stage.until_nothing_in_flight().await;
    let output = stage.reconcile(&[]).await;
    assert_eq!(
        (output.code, &output.json()["repaired"], &output.json()["unrepaired"]),
        (1, &4.into(), &1.into())
    );
    let findings = output.findings();
    assert!(findings[2].detail.contains("the database rejects it"), "{findings:#?}");
    assert_eq!(stage.rows().await.len(), 4);
}
