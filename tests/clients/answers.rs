//! The true answers: each client takes them for what they are, at once.

use serde_json::json;

use crate::arrange::{CLIENTS, Operator, ask, begin};
use crate::support::node::NodeProcess;

/// Long enough for three programs to start on a busy machine.
const OPENS_AFTER_MS: i64 = 15_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coupon_the_same_again_and_none_left() {
    let node = NodeProcess::embedded().start().await;
    let operator = Operator::of(&node);
    for client in CLIENTS {
        let coupon = operator.coupon(json!({ "total": 1 })).await;
        let issued = ask(client, &node.url(""), &coupon, "kim").await.json(0);
        assert_eq!((&issued["member_id"], &issued["sequence"]), (&json!("kim"), &json!(1)), "{client:?}");
        let again = ask(client, &node.url(""), &coupon, "kim").await.json(0);
        assert_eq!(again, issued, "{client:?}");
        let ended = ask(client, &node.url(""), &coupon, "lee").await;
        assert_eq!(ended.json(1)["code"], "sold_out", "{client:?}");
        assert!(!ended.stderr.contains("attempt"), "it is final: {ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_coupon_and_requests_that_are_wrong() {
    let node = NodeProcess::embedded().start().await;
    let operator = Operator::of(&node);
    let coupon = operator.coupon(json!({ "total": 1 })).await;
    operator.lifecycle(&coupon, "close").await;
    for client in CLIENTS {
        assert_eq!(ask(client, &node.url(""), &coupon, "kim").await.json(1)["code"], "closed", "{client:?}");
        let missing = ask(client, &node.url(""), "no-such-coupon", "kim").await;
        assert_eq!(missing.json(2)["code"], "no_such_coupon", "{client:?}");
        let nobody = ask(client, &node.url(""), &coupon, "").await;
        assert_eq!(nobody.json(2)["code"], "invalid_member_id", "{client:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_opening_a_client_waits_and_does_not_take_it_for_a_no() {
    let node = NodeProcess::embedded().start().await;
    let operator = Operator::of(&node);
    let opens_at = openrun::clock::now().plus_ms(OPENS_AFTER_MS);
    let coupon = operator.coupon(json!({ "total": 3, "opens_at": opens_at })).await;
    let asked: Vec<_> =
        CLIENTS.iter().map(|client| begin(*client, &node.url(""), &coupon, client.0)).collect();
    for (asked, client) in asked.into_iter().zip(CLIENTS) {
        let ended = asked.await.expect("nothing panics");
        assert_eq!(ended.json(0)["member_id"], client.0);
        assert!(ended.stderr.contains("ask: not_open, attempt 1"), "{ended:#?}");
    }
}
