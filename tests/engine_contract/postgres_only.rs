//! What only the engines in PostgreSQL promise: that a step which cannot have its turn decides nothing and says so, and
//! that rows which somebody else has written or deleted are noticed.

use openrun::domain::{AdmissionRequest, Rejection, Timestamp};
use openrun::persistence::postgres::Locking;
use openrun::ports::{AdmissionEngine, CouponCatalog, EngineError};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::postgres::{Nodes, both};
use crate::suite::Fixture;
use crate::support::{ask, ask_all, issued, member, members, open_coupon, rejected, truth};

const BOTH: [Locking; 2] = [Locking::Pessimistic, Locking::Optimistic];

async fn by_hand(nodes: &Nodes) -> PgConnection {
    PgConnection::connect(&nodes.url).await.expect("PostgreSQL is there")
}

async fn sql(nodes: &Nodes, statement: &str) {
    by_hand(nodes).await.execute(AssertSqlSafe(statement.to_owned())).await.expect("it can be done");
}

async fn admit(engine: &dyn AdmissionEngine, who: &str) -> Result<(), EngineError> {
    let request = AdmissionRequest { member: member(who), traceparent: None };
    engine.admit(&open_coupon("drop", 1).id, &[request]).await.map(drop)
}

#[tokio::test]
async fn a_step_that_does_not_get_its_turn_decides_nothing_and_says_so() {
    for turns in BOTH {
        let nodes = both(turns).await;
        let coupon = open_coupon("drop", 2);
        nodes.introduce(&coupon).await;
        let engine = nodes.engine();
        let mut hand = by_hand(&nodes).await;
        let mut held = hand.begin().await.expect("a transaction");
        held.execute("SELECT FROM coupon_admissions FOR UPDATE").await.expect("the lock");
        let answer = admit(&*engine, "kim").await;
        assert!(matches!(answer, Err(EngineError::Busy(_))), "{turns:?}: {answer:?}");
        assert_eq!(
            engine.standing(&coupon.id).await.expect("a reader waits for nobody").inventory.issued(),
            0
        );
        held.rollback().await.expect("the lock is given back");
        assert_eq!(issued(ask(&*engine, &coupon.id, &member("kim")).await).sequence, 1);
    }
}

#[tokio::test]
async fn rows_that_the_counter_does_not_know_of_stop_everything() {
    for turns in BOTH {
        for tampering in [
            "DELETE FROM coupon_issuances WHERE sequence = 3",
            "INSERT INTO coupon_issuances VALUES ('drop', 4, 'eve', '00000-00000-00000-00000', 'UNUSED', now())",
        ] {
            let nodes = both(turns).await;
            let coupon = open_coupon("drop", 10);
            nodes.introduce(&coupon).await;
            let engine = nodes.engine();
            ask_all(&*engine, &coupon.id, &members(0..3)).await;
            sql(&nodes, tampering).await;
            let answer = admit(&*engine, "kim").await;
            assert!(matches!(answer, Err(EngineError::Corrupt(_))), "{tampering}: {answer:?}");
            let standing = engine.standing(&coupon.id).await;
            assert!(matches!(standing, Err(EngineError::Corrupt(_))), "{tampering}: {standing:?}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_gives_no_later_sequence_an_earlier_time() {
    for turns in BOTH {
        let nodes = both(turns).await;
        let coupon = open_coupon("drop", 10);
        nodes.introduce(&coupon).await;
        let engine = nodes.engine();
        ask_all(&*engine, &coupon.id, &members(0..3)).await;
        // As if the last one had been issued by a clock that went an hour ahead.
        sql(&nodes, "UPDATE coupon_admissions SET latest_at = latest_at + interval '1 hour'").await;
        let before = truth(&*engine, &coupon.id, 3).await[&3].1.issued_at;
        let after = issued(ask(&*engine, &coupon.id, &member("late")).await).issued_at;
        let an_hour: Timestamp = before.plus_ms(3_600_000);
        assert_eq!(after, an_hour, "{turns:?}");
    }
}

#[tokio::test]
async fn a_coupon_that_another_engine_has_issued_is_not_begun_anew() {
    let nodes = both(Locking::Pessimistic).await;
    let coupon = open_coupon("drop", 10);
    nodes.catalog().create(&coupon).await.expect("a new coupon");
    sql(
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
async fn a_coupon_that_the_catalogue_does_not_have_is_unknown() {
    let nodes = both(Locking::Optimistic).await;
    let loaded = nodes.engine().load(&open_coupon("drop", 10)).await;
    assert!(matches!(loaded, Err(EngineError::UnknownCoupon)), "{loaded:?}");
}

/// Two operators at once may leave the catalogue's total below the engine's for a moment.
#[tokio::test]
async fn a_ceiling_that_is_too_low_for_now_decides_nothing() {
    for turns in BOTH {
        let nodes = both(turns).await;
        let coupon = open_coupon("drop", 2);
        nodes.introduce(&coupon).await;
        let engine = nodes.engine();
        sql(&nodes, "UPDATE coupons SET total = 1").await;
        issued(ask(&*engine, &coupon.id, &member("kim")).await);
        let answer = admit(&*engine, "lee").await;
        assert!(matches!(answer, Err(EngineError::Busy(_))), "{turns:?}: {answer:?}");
        sql(&nodes, "UPDATE coupons SET total = 2").await;
        assert_eq!(issued(ask(&*engine, &coupon.id, &member("lee")).await).sequence, 2);
        assert_eq!(ask(&*engine, &coupon.id, &member("max")).await, rejected(Rejection::SoldOut));
    }
}
