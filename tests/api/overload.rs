//! More members at once than may wait: exactly so many wait, the others are told at once, and nobody is told a lie.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::arrange::{Answer, Api, EVENT_BOUND, until};
use crate::support::node::{NodeProcess, Stack};
use crate::support::services::PrivateRedis;

const WAIT: usize = 8;
const MEMBERS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_exactly_as_many_wait_as_may() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let builder = NodeProcess::redis_lua(&stack).set("OPENRUN_QUEUE_LIMIT", WAIT.to_string());
    let node = builder.set("OPENRUN_REQUEST_TIMEOUT_MS", "20000").start().await;
    let api = Api::of(&node);
    let id = api.coupon(u32::try_from(MEMBERS).expect("it is small")).await;
    api.ask(&id, "early").await.json(201);
    api.patch(&id, &serde_json::json!({ "total": MEMBERS + 1 })).await.json(200);

    redis.pause();
    let mut asked = crowd(&api, &id);
    let mut answers = Vec::new();
    while answers.len() < MEMBERS - WAIT {
        let (member, answer) = asked.join_next().await.expect("more ask").expect("nobody panics");
        answer.problem(503, "overloaded");
        answers.push((member, answer));
    }
    assert!(asked.try_join_next().is_none(), "those who may wait do");
    redis.resume();
    while let Some(told) = asked.join_next().await {
        let (member, answer) = told.expect("nobody panics");
        if answer.status != 201 {
            answer.problem(503, "outcome_unknown");
        }
        answers.push((member, answer));
    }
    assert_eq!(answers.len(), MEMBERS);
    all_get_the_truth(&api, &id, &answers).await;
    until("nobody waits any more", EVENT_BOUND, async || api.metric("openrun_waiting_members").await < 0.5)
        .await;
}

/// Every member asks at the same time.
fn crowd(api: &Api, coupon: &str) -> JoinSet<(usize, Answer)> {
    let mut asked = JoinSet::new();
    for member in 0..MEMBERS {
        let (api, coupon) = (api.clone(), coupon.to_owned());
        asked.spawn(async move { (member, api.ask(&coupon, &format!("member-{member}")).await) });
    }
    asked
}

/// There is one for everybody, so everybody who asks again gets it; who has been told of one gets that one.
async fn all_get_the_truth(api: &Api, coupon: &str, answers: &[(usize, Answer)]) {
    let mut sequences = BTreeSet::new();
    for (member, first) in answers {
        let mut last = first.clone();
        until("the true answer", EVENT_BOUND, async || {
            last = api.ask(coupon, &format!("member-{member}")).await;
            matches!(last.status, 200 | 201)
        })
        .await;
        let held = last.json(last.status);
        if first.status == 201 {
            assert_eq!((last.status, &first.json(201)), (200, &held), "it was told of this one");
        }
        if first.code() == "overloaded" {
            assert_eq!(last.status, 201, "nothing had been decided for member-{member}");
        }
        sequences.insert(held["sequence"].as_u64().expect("a number"));
    }
    assert_eq!(sequences.len(), MEMBERS);
    assert_eq!(api.issued(coupon).await as usize, MEMBERS + 1);
}
