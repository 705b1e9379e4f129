//! Temporary answers and lost answers: each client asks again and gets the true answer.

use serde_json::json;

use crate::arrange::{CLIENTS, Operator, request_coupon, start, start_with};
use crate::support::node::{NodeProcess, Stack};
use crate::support::ports::free_port;
use crate::support::proxy::{Mode, Proxy};
use crate::support::services::PrivateRedis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_asks_again_until_a_paused_coupon_is_resumed() {
    let node = NodeProcess::embedded().start().await;
    let operator = Operator::of(&node);
    let coupon = operator.coupon(json!({ "total": 3 })).await;
    operator.lifecycle(&coupon, "pause").await;
    let clients: Vec<_> =
        CLIENTS.iter().map(|client| start(*client, &node.url(""), &coupon, client.0)).collect();
    operator.until_answered("paused", 3).await;
    operator.lifecycle(&coupon, "resume").await;
    for (running, client) in clients.into_iter().zip(CLIENTS) {
        let ended = running.await.expect("the client runs");
        assert_eq!(ended.json(0)["member_id"], client.0);
        assert!(ended.stderr.contains("ask: paused, attempt 1"), "{ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limited_client_waits_for_the_time_of_retry_after() {
    let node =
        NodeProcess::embedded().set("OPENRUN_RATE_LIMIT", "member=1/s:1,loopback=limited").start().await;
    let operator = Operator::of(&node);
    for client in CLIENTS {
        let coupon = operator.coupon(json!({ "total": 1 })).await;
        // Several at once, so that some are limited even on a slow machine.
        let clients: Vec<_> = (0..4).map(|_| start(client, &node.url(""), &coupon, client.0)).collect();
        let mut refused = 0;
        for running in clients {
            let ended = running.await.expect("the client runs");
            assert_eq!(ended.json(0)["sequence"], 1, "{ended:#?}");
            refused += usize::from(ended.stderr.contains("ask: rate_limited"));
        }
        assert!(refused > 0, "no request was limited: {client:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_a_client_asks_an_overloaded_node_again() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let builder = NodeProcess::redis_lua(&stack).set("OPENRUN_QUEUE_LIMIT", "1");
    let node = builder.start().await;
    let operator = Operator::of(&node);
    let coupon = operator.coupon(json!({ "total": 10 })).await;
    request_coupon(CLIENTS[2], &node.url(""), &coupon, "early").await.json(0);
    redis.pause();
    let clients: Vec<_> =
        CLIENTS.iter().map(|client| start(*client, &node.url(""), &coupon, client.0)).collect();
    // One request waits and fills the queue.
    operator.until_answered("overloaded", 2).await;
    redis.resume();
    let mut sequences = Vec::new();
    for running in clients {
        let ended = running.await.expect("the client runs");
        sequences.push(ended.json(0)["sequence"].as_u64().expect("a number"));
    }
    sequences.sort_unstable();
    assert_eq!(sequences, [2, 3, 4], "each member has exactly one coupon");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_asks_again_after_a_lost_answer() {
    let node = NodeProcess::embedded().start().await;
    let operator = Operator::of(&node);
    for (number, client) in (1..).zip(CLIENTS) {
        let proxy = Proxy::start(node.address().port()).await;
        let server = format!("http://127.0.0.1:{}", proxy.port());
        let coupon = operator.coupon(json!({ "total": 1 })).await;
        proxy.set(Mode::SwallowReplies).await;
        let running = start(client, &server, &coupon, "kim");
        operator.until_answered("issued", number).await;
        assert!(!running.is_finished(), "the client has no answer yet");
        proxy.set(Mode::Cut).await;
        proxy.set(Mode::Pass).await;
        let ended = running.await.expect("the client runs");
        assert_eq!(ended.json(0)["sequence"], 1);
        assert!(ended.stderr.contains("ask: status 0"), "{ended:#?}");
        operator.until_answered("again", number).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_an_answer_exits_with_3() {
    let server = format!("http://127.0.0.1:{}", free_port());
    let clients: Vec<_> =
        CLIENTS.iter().map(|client| start_with(*client, &server, "any", "kim", "2")).collect();
    for running in clients {
        let ended = running.await.expect("the client runs");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{ended:#?}");
        assert!(ended.stderr.contains("the outcome is unknown"), "{ended:#?}");
    }
}
