//! Answers that are none yet, and no answer at all: each client comes back, and gets the true one.

use serde_json::json;

use crate::arrange::{CLIENTS, Operator, ask, begin, begin_with};
use crate::support::node::{NodeProcess, Stack};
use crate::support::ports::free_port;
use crate::support::proxy::{Mode, Proxy};
use crate::support::services::PrivateRedis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_sent_away_comes_back_for_the_true_answer() {
    let node = NodeProcess::embedded().start().await;
    let operator = Operator::of(&node);
    let coupon = operator.coupon(json!({ "total": 3 })).await;
    operator.lifecycle(&coupon, "pause").await;
    let asked: Vec<_> =
        CLIENTS.iter().map(|client| begin(*client, &node.url(""), &coupon, client.0)).collect();
    operator.until_answered("paused", 3).await;
    operator.lifecycle(&coupon, "resume").await;
    for (asked, client) in asked.into_iter().zip(CLIENTS) {
        let ended = asked.await.expect("nothing panics");
        assert_eq!(ended.json(0)["member_id"], client.0);
        assert!(ended.stderr.contains("ask: paused, attempt 1"), "{ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_too_often_waits_as_long_as_it_is_told() {
    let node =
        NodeProcess::embedded().set("OPENRUN_RATE_LIMIT", "member=1/s:1,loopback=limited").start().await;
    let operator = Operator::of(&node);
    for client in CLIENTS {
        let coupon = operator.coupon(json!({ "total": 1 })).await;
        // Several at once, so that some come too soon on whatever machine.
        let asked: Vec<_> = (0..4).map(|_| begin(client, &node.url(""), &coupon, client.0)).collect();
        let mut refused = 0;
        for asked in asked {
            let ended = asked.await.expect("nothing panics");
            assert_eq!(ended.json(0)["sequence"], 1, "{ended:#?}");
            refused += usize::from(ended.stderr.contains("ask: rate_limited"));
        }
        assert!(refused > 0, "nobody came too soon: {client:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_an_overloaded_node_is_asked_again() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let builder = NodeProcess::redis_lua(&stack).set("OPENRUN_QUEUE_LIMIT", "1");
    let node = builder.start().await;
    let operator = Operator::of(&node);
    let coupon = operator.coupon(json!({ "total": 10 })).await;
    ask(CLIENTS[2], &node.url(""), &coupon, "early").await.json(0);
    redis.pause();
    let asked: Vec<_> =
        CLIENTS.iter().map(|client| begin(*client, &node.url(""), &coupon, client.0)).collect();
    // One waits, and there is no room for another.
    operator.until_answered("overloaded", 2).await;
    redis.resume();
    let mut sequences = Vec::new();
    for asked in asked {
        let ended = asked.await.expect("nothing panics");
        sequences.push(ended.json(0)["sequence"].as_u64().expect("a number"));
    }
    sequences.sort_unstable();
    assert_eq!(sequences, [2, 3, 4], "each has one, and one only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_got_lost_is_asked_for_again() {
    let node = NodeProcess::embedded().start().await;
    let operator = Operator::of(&node);
    for (number, client) in (1..).zip(CLIENTS) {
        let proxy = Proxy::start(node.address().port()).await;
        let server = format!("http://127.0.0.1:{}", proxy.port());
        let coupon = operator.coupon(json!({ "total": 1 })).await;
        proxy.set(Mode::SwallowReplies).await;
        let asked = begin(client, &server, &coupon, "kim");
        operator.until_answered("issued", number).await;
        assert!(!asked.is_finished(), "it cannot know");
        proxy.set(Mode::Cut).await;
        proxy.set(Mode::Pass).await;
        let ended = asked.await.expect("nothing panics");
        assert_eq!(ended.json(0)["sequence"], 1);
        assert!(ended.stderr.contains("ask: status 0"), "{ended:#?}");
        operator.until_answered("again", number).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_that_has_run_out_is_no_answer() {
    let server = format!("http://127.0.0.1:{}", free_port());
    let asked: Vec<_> =
        CLIENTS.iter().map(|client| begin_with(*client, &server, "any", "kim", "2")).collect();
    for asked in asked {
        let ended = asked.await.expect("nothing panics");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{ended:#?}");
        assert!(ended.stderr.contains("ask again"), "{ended:#?}");
    }
}
