//! Promises of the engines in PostgreSQL alone: a step that does not get the lock decides nothing and reports it, and
//! rows that were written or deleted outside the engine are detected.

use openrun::domain::{AdmissionRequest, Rejection, Timestamp};
use openrun::persistence::postgres::Locking;
use openrun::ports::{AdmissionEngine, CouponCatalog, EngineError};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::postgres::{Nodes, both};
use crate::suite::Fixture;
use crate::support::{
    admit_all, admit_one, checked_holders, expect_issued, member, members, open_coupon, rejected,
};

const BOTH: [Locking; 2] = [Locking::Pessimistic, Locking::Optimistic];

async fn connect(nodes: &Nodes) -> PgConnection {
    PgConnection::connect(&nodes.url).await.expect("PostgreSQL answers")
}

async fn execute_sql(nodes: &Nodes, statement: &str) {
    connect(nodes).await.execute(AssertSqlSafe(statement.to_owned())).await.expect("the statement succeeds");
}

async fn admit(engine: &dyn AdmissionEngine, ids: &str) -> Result<(), EngineError> {
    let request = AdmissionRequest { member: member(ids), traceparent: None };
    engine.admit(&open_coupon("drop", 1).id, &[request]).await.map(drop)
}

#[tokio::test]
async fn a_step_that_does_not_get_the_lock_decides_nothing_and_is_busy() {
    for locking in BOTH {
        let nodes = both(locking).await;
        let coupon = open_coupon("drop", 2);
        nodes.introduce(&coupon).await;
        let engine = nodes.engine();
        let mut other = connect(&nodes).await;
        let mut transaction = other.begin().await.expect("a transaction");
        transaction.execute("SELECT FROM coupon_admissions FOR UPDATE").await.expect("the lock");
        let answer = admit(&*engine, "kim").await;
        assert!(matches!(answer, Err(EngineError::Busy(_))), "{locking:?}: {answer:?}");
        assert_eq!(engine.standing(&coupon.id).await.expect("a reader needs no lock").inventory.issued(), 0);
        transaction.rollback().await.expect("the lock is released");
        assert_eq!(expect_issued(admit_one(&*engine, &coupon.id, &member("kim")).await).sequence, 1);
    }
}

#[tokio::test]
async fn rows_that_disagree_with_the_counter_stop_issuing() {
    for locking in BOTH {
        for tampering in [
            "DELETE FROM coupon_issuances WHERE sequence = 3",
            "INSERT INTO coupon_issuances VALUES ('drop', 4, 'eve', '00000-00000-00000-00000', 'UNUSED', now())",
        ] {
            let nodes = both(locking).await;
            let coupon = open_coupon("drop", 10);
            nodes.introduce(&coupon).await;
            let engine = nodes.engine();
            admit_all(&*engine, &coupon.id, &members(0..3)).await;
            execute_sql(&nodes, tampering).await;
            let answer = admit(&*engine, "kim").await;
            assert!(matches!(answer, Err(EngineError::Corrupt(_))), "{tampering}: {answer:?}");
            let standing = engine.standing(&coupon.id).await;
            assert!(matches!(standing, Err(EngineError::Corrupt(_))), "{tampering}: {standing:?}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_set_issued_at_back() {
    for locking in BOTH {
        let nodes = both(locking).await;
        let coupon = open_coupon("drop", 10);
        nodes.introduce(&coupon).await;
        let engine = nodes.engine();
        admit_all(&*engine, &coupon.id, &members(0..3)).await;
        // As if the clock had been an hour ahead at the last issuance.
        execute_sql(&nodes, "UPDATE coupon_admissions SET latest_at = latest_at + interval '1 hour'").await;
        let before = checked_holders(&*engine, &coupon.id, 3).await[&3].1.issued_at;
        let after = expect_issued(admit_one(&*engine, &coupon.id, &member("late")).await).issued_at;
        let an_hour: Timestamp = before.plus_ms(3_600_000);
        assert_eq!(after, an_hour, "{locking:?}");
    }
}

#[tokio::test]
async fn a_coupon_that_another_engine_has_issued_is_not_loaded() {
    let nodes = both(Locking::Pessimistic).await;
    let coupon = open_coupon("drop", 10);
    nodes.catalog().create(&coupon).await.expect("a new coupon");
    execute_sql(
        &nodes,
        "INSERT INTO coupon_issuances VALUES ('drop', 1, 'eve', '00000-00000-00000-00000', 'UNUSED', now())",
    )
    .await;
    let engine = nodes.engine();
    let loaded = engine.load(&coupon).await;
    assert!(
        matches!(&loaded, Err(EngineError::Fenced(why)) if why.contains("counts elsewhere")),
        "{loaded:?}"
    );
    assert!(matches!(engine.standing(&coupon.id).await, Err(EngineError::UnknownCoupon)));
}

#[tokio::test]
async fn a_coupon_outside_the_catalogue_is_unknown() {
    let nodes = both(Locking::Optimistic).await;
    let loaded = nodes.engine().load(&open_coupon("drop", 10)).await;
    assert!(matches!(loaded, Err(EngineError::UnknownCoupon)), "{loaded:?}");
}

/// Two concurrent operators may leave the catalogue's total below the engine's for a moment.
#[tokio::test]
async fn a_catalogue_total_below_the_engines_decides_nothing() {
    for locking in BOTH {
        let nodes = both(locking).await;
        let coupon = open_coupon("drop", 2);
        nodes.introduce(&coupon).await;
        let engine = nodes.engine();
        execute_sql(&nodes, "UPDATE coupons SET total = 1").await;
        expect_issued(admit_one(&*engine, &coupon.id, &member("kim")).await);
        let answer = admit(&*engine, "lee").await;
        assert!(matches!(answer, Err(EngineError::Busy(_))), "{locking:?}: {answer:?}");
        execute_sql(&nodes, "UPDATE coupons SET total = 2").await;
        assert_eq!(expect_issued(admit_one(&*engine, &coupon.id, &member("lee")).await).sequence, 2);
        assert_eq!(admit_one(&*engine, &coupon.id, &member("max")).await, rejected(Rejection::SoldOut));
    }
}
