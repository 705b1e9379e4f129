//! More members than the queue limit: exactly the limit waits, the others are shed at once, and every answer is true.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::arrange::{Answer, Api, EVENT_BOUND, until};
use crate::support::node::{NodeProcess, Stack};
use crate::support::services::PrivateRedis;

const WAIT: usize = 8;
const MEMBERS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_exactly_the_limit_of_members_waits() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let builder = NodeProcess::redis_lua(&stack).set("OPENRUN_QUEUE_LIMIT", WAIT.to_string());
    let node = builder.set("OPENRUN_REQUEST_TIMEOUT_MS", "20000").start().await;
    let api = Api::of(&node);
    let id = api.coupon(u32::try_from(MEMBERS).expect("a small number")).await;
    api.ask(&id, "early").await.json(201);
    api.patch(&id, &serde_json::json!({ "total": MEMBERS + 1 })).await.json(200);

    redis.pause();
    let mut requests = crowd(&api, &id);
    let mut answers = Vec::new();
    while answers.len() < MEMBERS - WAIT {
        let (member, answer) = requests.join_next().await.expect("another response").expect("no panic");
        answer.problem(503, "overloaded");
        answers.push((member, answer));
    }
    assert!(requests.try_join_next().is_none(), "the rest of the requests waits");
    redis.resume();
    while let Some(answered) = requests.join_next().await {
        let (member, answer) = answered.expect("no panic");
        if answer.status != 201 {
            answer.problem(503, "outcome_unknown");
        }
        answers.push((member, answer));
    }
    assert_eq!(answers.len(), MEMBERS);
    assert_all_get_the_truth(&api, &id, &answers).await;
    until("the end of the waiting", EVENT_BOUND, async || api.metric("openrun_waiting_members").await < 0.5)
        .await;
}

/// Sends the requests of all members at the same time.
fn crowd(api: &Api, coupon: &str) -> JoinSet<(usize, Answer)> {
    let mut requests = JoinSet::new();
    for member in 0..MEMBERS {
        let (api, coupon) = (api.clone(), coupon.to_owned());
        requests.spawn(async move { (member, api.ask(&coupon, &format!("member-{member}")).await) });
    }
    requests
}

/// There is a coupon for every member, so a repeated request gets it, and an answered member gets the same one.
async fn assert_all_get_the_truth(api: &Api, coupon: &str, answers: &[(usize, Answer)]) {
    let mut sequences = BTreeSet::new();
    for (member, first) in answers {
        let mut last = first.clone();
        until("the true answer", EVENT_BOUND, async || {
            last = api.ask(coupon, &format!("member-{member}")).await;
            matches!(last.status, 200 | 201)
        })
        .await;
        let issuance = last.json(last.status);
        if first.status == 201 {
            assert_eq!((last.status, &first.json(201)), (200, &issuance), "the member keeps the coupon");
        }
        if first.code() == "overloaded" {
            assert_eq!(last.status, 201, "member-{member} had no coupon yet");
        }
        sequences.insert(issuance["sequence"].as_u64().expect("a number"));
    }
    assert_eq!(sequences.len(), MEMBERS);
    assert_eq!(api.issued(coupon).await as usize, MEMBERS + 1);
}
