//! A pause or a close during a recovery takes effect when the recovery ends.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::arrange::{lost_numbers as operate, start_on_fixed_port, until_trimmed};
use crate::redis_lost::flush;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{self, ask, until, until_persisted};
use crate::support::services::PrivateRedis;

/// Sends an operator's command; gives status and body.
async fn send(node: &NodeProcess, command: &str) -> (u16, Value) {
    let url = format!("http://{}/v1/coupons/drop/{command}", node.address());
    let answer = races::http().post(url).send().await.expect("the node answers");
    (answer.status().as_u16(), answer.json().await.expect("the answer is JSON"))
}

async fn until_shown(node: &NodeProcess, state: &str) {
    let url = format!("http://{}/v1/coupons/drop", node.address());
    until(state, async || {
        let shown: Value = races::http().get(&url).send().await.ok()?.json().await.ok()?;
        (shown["state"] == state).then_some(())
    })
    .await;
}

/// Runs a statement in the database, past openrun.
async fn run(stack: &Stack, sql: &str) {
    let mut database = PgConnection::connect(&stack.database_url).await.expect("PostgreSQL answers");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database).await.expect("it is our own database");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_paused_and_closed_while_it_is_recovered_stays_closed_when_it_opens() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let builder = NodeProcess::redis_lua(&stack).set("OPENRUN_RECONCILE_INTERVAL", "off");
    let mut node = start_on_fixed_port(builder).await;
    races::create_coupon(node.address(), "drop", 3).await;
    assert_eq!(ask(node.address(), "drop", "first").await.1["sequence"], 1);
    until_persisted(&stack.database_url, "drop", 1).await;
    until_trimmed(&redis.url(), "drop").await;
    // A lost number keeps the recovery from ending: its row is deleted, and the node that knew the holder has died.
    node.kill();
    run(&stack, "ALTER TABLE coupon_issuances DISABLE TRIGGER USER; DELETE FROM coupon_issuances").await;
    node.restart().await;
    flush(&redis.url()).await;
    until("the loss to be noticed", async || operate(&node, "", None).await.1.as_array()?.first().cloned())
        .await;

    let (status, refused) = send(&node, "resume").await;
    assert_eq!((status, &refused["code"]), (503, &json!("recovering")));
    for (what, lifecycle) in [("pause", "paused"), ("close", "closed"), ("close", "closed")] {
        let (status, shown) = send(&node, what).await;
        assert_eq!((status, &shown["state"]), (200, &json!("recovering")), "{shown}");
        assert_eq!(shown["lifecycle"], lifecycle);
    }
    let (status, refused) = send(&node, "pause").await;
    assert_eq!((status, &refused["code"]), (409, &json!("closed")));
    let write_off = json!({ "count": 1, "note": "lost" });
    assert_eq!(operate(&node, "/drop/write-off", Some(write_off)).await.0, 202);
    let answer = until("the coupon to be trusted again", async || {
        let answer = ask(node.address(), "drop", "second").await;
        (answer.1["code"] != "recovering").then_some(answer)
    })
    .await;
    assert_eq!((answer.0, &answer.1["code"]), (409, &json!("closed")));
}

/// The pause is written just after the recovery has read the catalogue for the last time.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_a_recovery_has_just_missed_holds_when_the_gate_opens() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let node = start_on_fixed_port(NodeProcess::redis_lua(&stack)).await;
    races::create_coupon(node.address(), "drop", 3).await;
    assert_eq!(ask(node.address(), "drop", "first").await.1["sequence"], 1);
    until_persisted(&stack.database_url, "drop", 1).await;
    run(
        &stack,
        "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN UPDATE coupons SET lifecycle = 'paused'; RETURN NULL; END $$;
         CREATE TRIGGER pause AFTER UPDATE OF is_open ON coupon_recoveries
            FOR EACH ROW WHEN (NOT NEW.is_open) EXECUTE FUNCTION pause()",
    )
    .await;
    flush(&redis.url()).await;
    let answer = until("an answer after the recovery", async || {
        let answer = ask(node.address(), "drop", "second").await;
        (answer.1["code"] != "recovering" && answer.1["code"] != "outcome_unknown").then_some(answer)
    })
    .await;
    assert_eq!((answer.0, &answer.1["code"]), (503, &json!("paused")));
    assert!(node.log().contains("rebuilt"), "there was no recovery");
    assert_eq!(send(&node, "resume").await.0, 200);
    assert_eq!(ask(node.address(), "drop", "second").await.1["sequence"], 2);
}

/// The node that wrote the close into the catalogue may have died before the recovery ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_close_that_only_the_catalogue_knows_reaches_the_engine() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let node = start_on_fixed_port(NodeProcess::redis_lua(&stack)).await;
    races::create_coupon(node.address(), "drop", 3).await;
    run(&stack, "UPDATE coupons SET lifecycle = 'closed'").await;
    until_shown(&node, "closed").await;
    assert_eq!(ask(node.address(), "drop", "first").await.1["code"], "closed");
}
