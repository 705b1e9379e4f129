//! What is lost or late, and comes back.

use openrun::ports::Outbox;

use crate::arrange::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn what_agrees_is_told_in_figures_and_left_alone() {
    let stage = Stage::settled().await;
    let told = stage.reconcile(&[]).await;
    told.assert_findings(&[]);
    let coupon = told.coupon();
    assert_eq!(coupon["coupon_id"], stage.coupon.id.as_str());
    for (figure, value) in [("total", 10), ("issued", 5), ("participants", 5), ("outbox", 0), ("rows", 5)] {
        assert_eq!(coupon[figure], value, "{figure}: {coupon}");
    }
    let text = stage.run("reconcile", &[]).await;
    assert!(text.code == 0 && text.stdout.contains("Engine, outbox and database agree."), "{text:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_gone_is_written_again_just_as_it_was() {
    let stage = Stage::settled().await;
    stage.sql("DELETE FROM coupon_issuances WHERE coupon_id = :coupon AND sequence IN (2, 5)").await;
    stage.settle().await;
    let expected = [("missing", Some(2), Some("m2")), ("missing", Some(5), Some("m5"))];
    // Telling changes nothing, however often.
    for _ in 0..2 {
        let told = stage.reconcile(&["--dry-run"]).await;
        told.assert_findings(&expected);
        assert_eq!(told.findings()[0].code.as_deref(), Some(stage.at(2).code.as_str()), "by its code, too");
        assert_eq!((told.code, stage.rows().await.len()), (1, 3));
    }
    let told = stage.reconcile(&[]).await;
    told.assert_findings(&expected);
    assert_eq!(told.code, 0);
    assert_eq!(stage.rows().await, stage.issued);
    stage.reconcile(&[]).await.assert_findings(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_the_outbox_for_too_long_is_delayed_and_what_is_young_is_in_flight() {
    let stage = Stage::with(10, 5, 2).await;
    let young = stage.reconcile(&[]).await;
    young.assert_findings(&[]);
    assert_eq!((&young.coupon()["in_flight"], &young.coupon()["rows"]), (&3.into(), &2.into()));
    stage.settle().await;
    let delayed =
        |sequence| ("delayed", Some(sequence), ["m3", "m4", "m5"].get(sequence as usize - 3).copied());
    let told = stage.reconcile(&[]).await;
    told.assert_findings(&[delayed(3), delayed(4), delayed(5)]);
    assert_eq!((told.code, stage.rows().await), (0, stage.issued.clone()));
    // The sweep trims what has arrived; it is none of the reconciler's business.
    assert_eq!(stage.engine.outbox().depth(&stage.coupon.id).await.expect("an answer"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_neither_outbox_nor_database_has_is_missing() {
    let stage = Stage::with(10, 5, 2).await;
    // A hole in the outbox: only the engine still knows the fourth.
    let meta = format!("coupon:{{{}}}:meta", stage.coupon.id);
    let mut redis = stage.redis.clone();
    let epoch: String =
        redis::cmd("HGET").arg(meta).arg("epoch").query_async(&mut redis).await.expect("it is there");
    stage.redis("XDEL", "outbox", &[&format!("{epoch}-4")]).await;
    stage.settle().await;
    let told = stage.reconcile(&[]).await;
    told.assert_findings(&[
        ("delayed", Some(3), Some("m3")),
        ("missing", Some(4), Some("m4")),
        ("delayed", Some(5), Some("m5")),
    ]);
    assert_eq!(stage.rows().await, stage.issued);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_contradicts_a_row_is_not_written_over_it() {
    let stage = Stage::settled().await;
    // The second is gone, and its member has another row.
    stage
        .sql(
            "DELETE FROM coupon_issuances WHERE coupon_id = :coupon AND sequence = 2;
        UPDATE coupon_issuances SET sequence = 7 WHERE coupon_id = :coupon AND sequence = 3;
        UPDATE coupon_issuances SET member_id = 'm2' WHERE coupon_id = :coupon AND sequence = 7",
        )
        .await;
    stage.settle().await;
    let before = stage.rows().await;
    let told = stage.reconcile(&[]).await;
    assert_eq!(told.code, 1, "{told:#?}");
    let kinds: Vec<_> =
        told.findings().into_iter().map(|found| (found.kind, found.sequence.unwrap_or(0))).collect();
    let named = |kind: &str, at| (kind.to_owned(), at);
    // The third could be written, but for its code, which the row that was tampered with still has.
    assert_eq!(
        kinds,
        [named("conflicting", 2), named("conflicting", 3), named("conflicting", 7)],
        "{told:#?}"
    );
    assert_eq!(stage.rows().await, before, "what was there stays");
    let quarantined = stage.contradictions().await;
    assert_eq!(quarantined.len(), 2, "{quarantined:#?}");
    // Settling hides no disagreement of engine and rows.
    stage.settle_contradictions().await;
    let told = stage.reconcile(&[]).await;
    assert_eq!((told.code, &told.coupon()["settled"]), (1, &2.into()), "{told:#?}");
    assert_eq!(told.findings().len(), 3, "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_is_too_low_is_raised_and_what_it_kept_out_is_written() {
    let stage = Stage::with(10, 5, 2).await;
    stage.sql("UPDATE coupons SET total = 3 WHERE id = :coupon").await;
    stage.settle().await;
    let told = stage.reconcile(&[]).await;
    assert_eq!((told.code, &told.json()["repaired"]), (0, &4.into()), "{told:#?}");
    assert!(told.findings().iter().any(|found| found.kind == "total"), "{told:#?}");
    assert_eq!(stage.rows().await, stage.issued);
    stage.sql("UPDATE coupons SET total = 12 WHERE id = :coupon").await;
    stage.reconcile(&[]).await.assert_findings(&[("total", None, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_database_rejects_does_not_keep_its_neighbours_out() {
    let stage = Stage::settled().await;
    stage
        .sql(
            "DELETE FROM coupon_issuances WHERE coupon_id = :coupon;
        ALTER TABLE coupon_issuances ADD CHECK (member_id <> 'm3')",
        )
        .await;
    stage.settle().await;
    let told = stage.reconcile(&[]).await;
    assert_eq!((told.code, &told.json()["repaired"], &told.json()["unrepaired"]), (1, &4.into(), &1.into()));
    let findings = told.findings();
    assert!(findings[2].detail.contains("the database rejects it"), "{findings:#?}");
    assert_eq!(stage.rows().await.len(), 4);
}
