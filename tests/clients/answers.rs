//! Final answers: each client reports them at once.

use serde_json::json;

use crate::arrange::{CLIENTS, Operator, request_coupon, start};
use crate::support::node::NodeProcess;

/// Long enough for three programs to start on a busy machine.
const OPENS_AFTER_MS: i64 = 15_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_reports_a_coupon_the_same_coupon_and_sold_out() {
    let node = NodeProcess::embedded().start().await;
    let operator = Operator::of(&node);
    for client in CLIENTS {
        let coupon = operator.coupon(json!({ "total": 1 })).await;
        let issued = request_coupon(client, &node.url(""), &coupon, "kim").await.json(0);
        assert_eq!((&issued["member_id"], &issued["sequence"]), (&json!("kim"), &json!(1)), "{client:?}");
        let again = request_coupon(client, &node.url(""), &coupon, "kim").await.json(0);
        assert_eq!(again, issued, "{client:?}");
        let ended = request_coupon(client, &node.url(""), &coupon, "lee").await;
        assert_eq!(ended.json(1)["code"], "sold_out", "{client:?}");
        assert!(!ended.stderr.contains("attempt"), "the answer is final: {ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_reports_a_closed_coupon_and_invalid_requests() {
    let node = NodeProcess::embedded().start().await;
    let operator = Operator::of(&node);
    let coupon = operator.coupon(json!({ "total": 1 })).await;
    operator.lifecycle(&coupon, "close").await;
    for client in CLIENTS {
        assert_eq!(
            request_coupon(client, &node.url(""), &coupon, "kim").await.json(1)["code"],
            "closed",
            "{client:?}"
        );
        let missing = request_coupon(client, &node.url(""), "no-such-coupon", "kim").await;
        assert_eq!(missing.json(2)["code"], "no_such_coupon", "{client:?}");
        let unnamed = request_coupon(client, &node.url(""), &coupon, "").await;
        assert_eq!(unnamed.json(2)["code"], "invalid_member_id", "{client:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_waits_for_the_opening() {
    let node = NodeProcess::embedded().start().await;
    let operator = Operator::of(&node);
    let opens_at = openrun::clock::now().plus_ms(OPENS_AFTER_MS);
    let coupon = operator.coupon(json!({ "total": 3, "opens_at": opens_at })).await;
    let clients: Vec<_> =
        CLIENTS.iter().map(|client| start(*client, &node.url(""), &coupon, client.0)).collect();
    for (running, client) in clients.into_iter().zip(CLIENTS) {
        let ended = running.await.expect("the client runs");
        assert_eq!(ended.json(0)["member_id"], client.0);
        assert!(ended.stderr.contains("ask: not_open, attempt 1"), "{ended:#?}");
    }
}
