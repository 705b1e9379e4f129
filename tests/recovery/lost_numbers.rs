//! Redis is wiped while the only node dies that knew the holder of a number: no member gets that number again, and an
//! operator can write it off.

use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::arrange::{lost_numbers as operate, start_on_fixed_port};
use crate::redis_lost::flush;
use crate::support::node::{NodeProcess, Stack, openrun};
use crate::support::races::{self, request_coupon, until, until_persisted};
use crate::support::services::PrivateRedis;

/// Requests a coupon from a node that dies of the request.
async fn kill_by_request(node: &NodeProcess, member: &str) {
    let url = format!("http://{}/v1/coupons/drop/issuances", node.address());
    let answer = races::http().post(url).json(&json!({ "member_id": member })).send().await;
    assert!(answer.is_err(), "the node should die before it answers: {answer:?}");
}

async fn written_off(database_url: &str) -> Vec<(i32, String, String)> {
    let mut database = sqlx::PgConnection::connect(database_url).await.expect("PostgreSQL answers");
    let query = "SELECT sequence, status, note FROM coupon_issuances JOIN issuance_write_offs USING (coupon_id, sequence)
        WHERE member_id LIKE 'written-off-%'";
    sqlx::query_as(query).fetch_all(&mut database).await.expect("the tables are there")
}

/// Panics unless `verify` and `reconcile` report one number of the coupon as written off.
fn assert_write_off_is_reported(stack: &Stack) {
    for command in ["verify", "reconcile"] {
        let output = openrun(&[command, "--json"]).envs(stack.settings()).output().expect("the command runs");
        let json: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        assert!(output.status.success(), "{json:#}");
        assert_eq!(json["coupons"][0]["written_off"], 1, "{json:#}");
        let output = openrun(&[command]).envs(stack.settings()).output().expect("the command runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("drop: numbers written off, which no member holds: 1\n"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_number_keeps_the_coupon_recovering_until_it_is_written_off() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let node = start_on_fixed_port(NodeProcess::redis_lua(&stack)).await;
    let dying = NodeProcess::redis_lua(&stack).set("OPENRUN_TEST_ABORT", "admitted:1").start().await;
    races::create_coupon(node.address(), "drop", 3).await;
    assert_eq!(request_coupon(node.address(), "drop", "first").await.1["sequence"], 1);
    until_persisted(&stack.database_url, "drop", 1).await;
    assert_eq!(operate(&node, "", None).await, (200, json!([])));
    let (status, refused) =
        operate(&node, "/drop/write-off", Some(json!({ "count": 1, "note": "both died" }))).await;
    assert_eq!((status, &refused["code"]), (409, &json!("nothing_lost")));

    until("the other node to know the coupon", async || {
        let url = format!("http://{}/v1/coupons/drop", dying.address());
        let answer = races::http().get(url).send().await.expect("the node answers");
        answer.status().is_success().then_some(())
    })
    .await;
    kill_by_request(&dying, "lost").await;
    assert_eq!(request_coupon(node.address(), "drop", "third").await.1["sequence"], 3);
    flush(&redis.url()).await;

    let lost = until("the loss to be noticed", async || {
        let answer = request_coupon(node.address(), "drop", "third").await;
        assert!(answer.0 == 503 || answer.1["sequence"] == 3, "{answer:?}");
        operate(&node, "", None).await.1.as_array()?.first().cloned()
    })
    .await;
    assert_eq!((&lost["coupon_id"], &lost["count"], &lost["first"]), (&json!("drop"), &json!(1), &json!(2)));
    assert_eq!((&lost["issued"], &lost["permitted"]), (&json!(3), &json!(false)));
    assert_eq!(request_coupon(node.address(), "drop", "fourth").await.1["code"], "recovering");
    let (status, refused) =
        operate(&node, "/drop/write-off", Some(json!({ "count": 2, "note": "both died" }))).await;
    assert_eq!((status, &refused["code"]), (409, &json!("other_count")));
    assert_eq!(operate(&node, "", None).await.1[0]["permitted"], false);

    let server = format!("http://{}", node.address());
    let call =
        ["lost-numbers", "write-off", "drop", "--count", "1", "--note", "both died", "--server", &server];
    let output = openrun(&call).output().expect("the command runs");
    assert!(output.status.success(), "{output:?}");
    let (_, third) = until("the coupon to open", async || {
        let answer = request_coupon(node.address(), "drop", "third").await;
        (answer.0 == 200).then_some(answer)
    })
    .await;
    assert_eq!(third["sequence"], 3, "a holder keeps the number");
    assert_eq!(
        request_coupon(node.address(), "drop", "lost").await.1["code"],
        "sold_out",
        "never one more than the total"
    );
    assert_eq!(operate(&node, "", None).await, (200, json!([])));
    let expected = vec![(2, "EXPIRED".to_owned(), "both died".to_owned())];
    assert_eq!(written_off(&stack.database_url).await, expected);

    assert_write_off_is_reported(&stack);
    let raised = races::http()
        .patch(format!("{server}/v1/coupons/drop"))
        .json(&json!({ "total": 4 }))
        .send()
        .await
        .expect("the node answers");
    assert_eq!(raised.status().as_u16(), 200);
    assert_eq!(
        request_coupon(node.address(), "drop", "lost").await.1["sequence"],
        4,
        "the raised total is issued"
    );
}
