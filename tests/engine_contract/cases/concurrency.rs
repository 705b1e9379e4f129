//! Concurrent requests over several nodes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use openrun::domain::{AdmissionRequest, CouponId, Grant, MemberId, Rejection, Verdict};
use openrun::ports::{AdmissionEngine, MAX_BATCH};
use tokio::task::JoinSet;

use crate::suite::Fixture;
use crate::support::{
    Random, admit_all, admit_batch, admit_one, change, checked_holders, grant_of, member, members,
    open_coupon, rejected, shuffle, total,
};

type Answers = Vec<(MemberId, Verdict)>;

const TASKS: usize = 32;

/// Sends requests in concurrent batches of 1 to [`MAX_BATCH`] members, distributed over `nodes`.
async fn send_concurrently(
    nodes: &[Arc<dyn AdmissionEngine>],
    coupon: &CouponId,
    ids: Vec<MemberId>,
) -> Answers {
    let mut random = Random(42);
    let mut queues: Vec<Vec<Vec<MemberId>>> = vec![Vec::new(); TASKS];
    let mut rest = ids.as_slice();
    while !rest.is_empty() {
        // A third of the batches has one member, a third up to 8.
        let largest = [1, 8, MAX_BATCH][random.below(3)];
        let (batch, later) = rest.split_at((random.below(largest) + 1).min(rest.len()));
        queues[random.below(TASKS)].push(batch.to_vec());
        rest = later;
    }
    let mut tasks = JoinSet::new();
    for (index, queue) in queues.into_iter().enumerate() {
        let (node, coupon) = (nodes[index % nodes.len()].clone(), coupon.clone());
        tasks.spawn(async move {
            let mut answers = Vec::new();
            for batch in queue {
                let verdicts = admit_batch(&*node, &coupon, &batch).await.verdicts;
                answers.extend(batch.into_iter().zip(verdicts));
            }
            answers
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// The grant of each member. Checks that repeated answers to a member agree.
fn grants_by_member(answers: Answers) -> HashMap<MemberId, Option<Grant>> {
    let mut grants = HashMap::new();
    for (member, verdict) in answers {
        let first = *grants.entry(member.clone()).or_insert(grant_of(verdict));
        assert_eq!(first, grant_of(verdict), "two different answers to {member}");
    }
    grants
}

pub(crate) async fn ten_thousand_members_at_once_get_a_thousand_coupons(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 1_000);
    fixture.introduce(&coupon).await;
    let nodes = [fixture.engine(), fixture.second_node_engine()];
    let mut requests = [members(0..10_000), members(0..10_000)].concat();
    shuffle(&mut requests);
    let answers = send_concurrently(&nodes, &coupon.id, requests).await;
    let new = answers.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Issued(_))).count();
    let again = answers.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Again(_))).count();
    let sold_out = answers.iter().filter(|(_, verdict)| *verdict == rejected(Rejection::SoldOut)).count();
    assert_eq!(
        (new, again, sold_out),
        (1_000, 1_000, 18_000),
        "each holder is answered twice, each other member is rejected twice"
    );
    let grants = grants_by_member(answers);
    assert_eq!(grants.len(), 10_000);
    for (member, grant) in checked_holders(&*nodes[0], &coupon.id, 1_000).await.into_values() {
        assert_eq!(grants[&member], Some(grant), "the answers agree with the engine");
    }
}

pub(crate) async fn one_member_on_many_nodes_at_once_gets_one_coupon(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 1_000);
    fixture.introduce(&coupon).await;
    let nodes = [fixture.engine(), fixture.second_node_engine()];
    let answers = send_concurrently(&nodes, &coupon.id, vec![member("kim"); 1_000]).await;
    let new = answers.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Issued(_))).count();
    assert_eq!((new, grants_by_member(answers).len()), (1, 1));
    checked_holders(&*nodes[0], &coupon.id, 1).await;
}

pub(crate) async fn cancelled_calls_do_not_harm_the_engine(fixture: &mut dyn Fixture) {
    const CALLS: u32 = 120;
    let coupon = open_coupon("drop", 1_000);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let mut random = Random(7);
    for call in 0..CALLS {
        let (node, coupon) = (engine.clone(), coupon.id.clone());
        let request = |member| AdmissionRequest { member, traceparent: None };
        let batch: Vec<_> = members(call * 5..call * 5 + 10).into_iter().map(request).collect();
        let caller = tokio::spawn(async move { node.admit(&coupon, &batch).await.map(|_| ()) });
        tokio::time::sleep(Duration::from_micros(random.below(3_000) as u64)).await;
        caller.abort();
    }
    // The outcome of the cancelled calls is unknown. Every member now gets one coupon, and the same one again.
    let ids = members(0..CALLS * 5 + 5);
    let first = admit_all(&*engine, &coupon.id, &ids).await;
    let again = admit_all(&*engine, &coupon.id, &ids).await;
    assert!(
        first
            .iter()
            .zip(&again)
            .all(|(one, two)| grant_of(*one).is_some() && grant_of(*one) == grant_of(*two))
    );
    checked_holders(&*engine, &coupon.id, CALLS * 5 + 5).await;
}

pub(crate) async fn a_total_raised_under_load_is_issued_completely(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let (engine, other_node) = (fixture.engine(), fixture.second_node_engine());
    let operator = {
        let coupon = coupon.id.clone();
        tokio::spawn(async move {
            for size in (20..=400).step_by(20) {
                change(&*other_node, &coupon, total(size)).await;
            }
        })
    };
    let answers = send_concurrently(std::slice::from_ref(&engine), &coupon.id, members(0..2_000)).await;
    operator.await.expect("the operator's changes are allowed");
    let grants: HashMap<_, _> =
        answers.iter().filter_map(|(member, verdict)| Some((member.clone(), grant_of(*verdict)?))).collect();
    // Some requests may have been rejected before the last change: later requests get exactly the rest.
    admit_all(&*engine, &coupon.id, &members(2_000..2_400)).await;
    let truth = checked_holders(&*engine, &coupon.id, 400).await;
    let kept = truth.values().filter(|(member, grant)| grants.get(member) == Some(grant)).count();
    assert_eq!(kept, grants.len(), "every answered grant is in the engine");
    assert_eq!(admit_one(&*engine, &coupon.id, &member("late")).await, rejected(Rejection::SoldOut));
}
