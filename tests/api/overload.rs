//! More concurrent requests than may wait: the limit waits, the others get 503 at once, and every answer is true.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::arrange::{Answer, Api, EVENT_BOUND, until};
use crate::support::node::{NodeProcess, Stack};
use crate::support::services::PrivateRedis;

const WAIT: usize = 8;
const MEMBERS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_waiting_members_are_limited() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let builder = NodeProcess::redis_lua(&stack).set("OPENRUN_QUEUE_LIMIT", WAIT.to_string());
    let node = builder.set("OPENRUN_REQUEST_TIMEOUT_MS", "20000").start().await;
    let api = Api::of(&node);
    let id = api.coupon(u32::try_from(MEMBERS).expect("it is small")).await;
    api.issue(&id, "early").await.json(201);
    api.patch(&id, &serde_json::json!({ "total": MEMBERS + 1 })).await.json(200);

    redis.pause();
    let mut requests = send_requests(&api, &id);
    let mut answers = Vec::new();
    while answers.len() < MEMBERS - WAIT {
        let (member, answer) =
            requests.join_next().await.expect("more requests").expect("the task does not panic");
        answer.problem(503, "overloaded");
        answers.push((member, answer));
    }
    assert!(requests.try_join_next().is_none(), "the others wait");
    redis.resume();
    while let Some(joined) = requests.join_next().await {
        let (member, answer) = joined.expect("the task does not panic");
        if answer.status != 201 {
            answer.problem(503, "outcome_unknown");
        }
        answers.push((member, answer));
    }
    assert_eq!(answers.len(), MEMBERS);
    assert_all_get_the_true_answer(&api, &id, &answers).await;
    until("no member waits", EVENT_BOUND, async || api.metric("openrun_waiting_members").await < 0.5).await;
}

/// Sends one request of every member at the same time.
fn send_requests(api: &Api, coupon: &str) -> JoinSet<(usize, Answer)> {
    let mut requests = JoinSet::new();
    for member in 0..MEMBERS {
        let (api, coupon) = (api.clone(), coupon.to_owned());
        requests.spawn(async move { (member, api.issue(&coupon, &format!("member-{member}")).await) });
    }
    requests
}

/// The total is enough for all members. A repeated request therefore returns an issuance, and the same one as before.
async fn assert_all_get_the_true_answer(api: &Api, coupon: &str, answers: &[(usize, Answer)]) {
    let mut sequences = BTreeSet::new();
    for (member, first) in answers {
        let mut last = first.clone();
        until("the true answer", EVENT_BOUND, async || {
            last = api.issue(coupon, &format!("member-{member}")).await;
            matches!(last.status, 200 | 201)
        })
        .await;
        let held = last.json(last.status);
        if first.status == 201 {
            assert_eq!(
                (last.status, &first.json(201)),
                (200, &held),
                "the same issuance as in the first response"
            );
        }
        if first.code() == "overloaded" {
            assert_eq!(last.status, 201, "nothing had been decided for member-{member}");
        }
        sequences.insert(held["sequence"].as_u64().expect("a number"));
    }
    assert_eq!(sequences.len(), MEMBERS);
    assert_eq!(api.issued(coupon).await as usize, MEMBERS + 1);
}
