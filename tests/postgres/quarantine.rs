//! Conflicts are kept for good, and raise alarms until an operator settles them.

use openrun::domain::Note;
use openrun::ports::{ConflictFilter, IssuanceStore, Quarantine};

use crate::fixtures::{Stage, conflicts, execute, id, issuance};
use crate::support::shared;

fn note(text: &str) -> Note {
    Note::parse(text).expect("it is valid")
}

#[tokio::test]
async fn a_settled_conflict_stays_and_raises_no_alarm_when_it_is_redelivered() {
    let stage = Stage::new(10).await;
    stage.store.insert(&[issuance("kim", 1)]).await.unwrap();
    let (first, second) = (issuance("lee", 1), issuance("kim", 2));
    let report = stage.store.insert(&[first.clone(), second.clone()]).await.unwrap();
    assert_eq!(report.alarms().count(), 2);
    let open = conflicts(&stage, false).await;
    let of_first = open.iter().find(|kept| kept.conflict.arrived == first).expect("it is kept");
    assert_eq!((of_first.settlement.as_ref(), open.len()), (None, 2));
    assert!(of_first.noticed_at.as_ms() > 1_700_000_000_000, "{of_first:?}");

    let settled =
        stage.store.settle(of_first.id, &note("seen; ticket 7")).await.unwrap().expect("it is there");
    let settlement = settled.settlement.clone().expect("it is settled");
    assert_eq!((settled.id, settlement.note.as_str()), (of_first.id, "seen; ticket 7"));
    assert!(settlement.at >= of_first.noticed_at, "{settled:?}");
    assert_eq!(stage.store.conflict(of_first.id).await.unwrap().as_ref(), Some(&settled));
    assert_eq!(conflicts(&stage, true).await, std::slice::from_ref(&settled));
    assert_eq!(stage.store.count_settled(&id("drop")).await.unwrap(), 1);
    assert_eq!(stage.store.count_settled(&id("other")).await.unwrap(), 0);

    // In any batch: the first is settled and raises no alarm, the second still does.
    for batch in [vec![first.clone()], vec![second.clone(), first.clone(), issuance("max", 3)]] {
        let report = stage.store.insert(&batch).await.unwrap();
        let alarms: Vec<_> = report.alarms().map(|conflict| conflict.arrived.clone()).collect();
        assert_eq!(alarms, if batch.len() == 1 { vec![] } else { vec![second.clone()] });
        assert!(
            report.conflicts.iter().any(|conflict| conflict.arrived == first),
            "it has no row: {report:?}"
        );
    }
    assert_eq!(stage.number("SELECT count(*) FROM issuance_conflicts").await, 2);
    // The first settlement stays.
    let again = stage.store.settle(of_first.id, &note("something else")).await.unwrap();
    assert_eq!(again, Some(settled));
    assert_eq!(stage.store.settle(-1, &note("unknown id")).await.unwrap(), None);
}

#[tokio::test]
async fn conflicts_are_listed_page_by_page_in_order_of_arrival() {
    let stage = Stage::new(10).await;
    stage.store.insert(&[issuance("kim", 1)]).await.unwrap();
    let conflicting = ["max", "lee", "eve"].map(|member| issuance(member, 1));
    for issuance in &conflicting {
        stage.store.insert(std::slice::from_ref(issuance)).await.unwrap();
    }
    let (mut after, mut listed) = (0, Vec::new());
    loop {
        let which = ConflictFilter { coupon: None, are_settled: false, after, limit: 2 };
        let page = stage.store.conflicts(&which).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2, "at most the limit");
        after = last.id;
        listed.extend(page.into_iter().map(|kept| kept.conflict.arrived));
    }
    assert_eq!(listed, conflicting);
    let other = ConflictFilter { coupon: Some(id("other")), are_settled: false, after: 0, limit: 10 };
    assert_eq!(stage.store.conflicts(&other).await.unwrap(), []);
}

/// The migration numbers the conflicts of an earlier version and leaves them open.
#[tokio::test]
async fn conflicts_from_before_the_migration_can_be_settled() {
    const BEFORE: &str = include_str!("../../migrations/postgres/0001_coupons.sql");
    const AFTER: &str = include_str!("../../migrations/postgres/0003_settled_conflicts.sql");
    let home = shared::Database::create().await;
    execute(home.url(), BEFORE).await.unwrap();
    let old = "INSERT INTO issuance_conflicts (coupon_id, sequence, member_id, code, issued_at, held)
        SELECT 'drop', n, 'kim', '00000-00000-00000-00000', now(), 'lee' FROM generate_series(1, 3) AS n";
    assert_eq!(execute(home.url(), old).await.unwrap(), 3);
    execute(home.url(), AFTER).await.unwrap();
    let numbered =
        "UPDATE issuance_conflicts SET settled_note = 'x', settled_at = now() WHERE id BETWEEN 1 AND 3";
    assert_eq!(execute(home.url(), numbered).await.unwrap(), 3);
    let half = "UPDATE issuance_conflicts SET settled_at = NULL WHERE id = 1";
    assert!(execute(home.url(), half).await.is_err(), "a note without a time");
}
