//! Everybody at once, over several nodes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use openrun::domain::{AdmissionRequest, CouponId, Grant, MemberId, Rejection, Verdict};
use openrun::ports::{AdmissionEngine, MAX_BATCH};
use tokio::task::JoinSet;

use crate::suite::Fixture;
use crate::support::{
    Random, ask, ask_all, ask_batch, change, held, member, members, open_coupon, rejected, shuffle, total,
    truth,
};

type Answers = Vec<(MemberId, Verdict)>;

/// Tasks that ask at the same time.
const TASKS: usize = 32;

/// Asks for `who` in batches of 1 to [`MAX_BATCH`], many at the same time, over all `nodes` in turn.
async fn rush(nodes: &[Arc<dyn AdmissionEngine>], coupon: &CouponId, who: Vec<MemberId>) -> Answers {
    let mut random = Random(42);
    let mut queues: Vec<Vec<Vec<MemberId>>> = vec![Vec::new(); TASKS];
    let mut rest = who.as_slice();
    while !rest.is_empty() {
        // As many small batches as large ones.
        let largest = [1, 8, MAX_BATCH][random.below(3)];
        let (batch, later) = rest.split_at((random.below(largest) + 1).min(rest.len()));
        queues[random.below(TASKS)].push(batch.to_vec());
        rest = later;
    }
    let mut tasks = JoinSet::new();
    for (turn, queue) in queues.into_iter().enumerate() {
        let (node, coupon) = (nodes[turn % nodes.len()].clone(), coupon.clone());
        tasks.spawn(async move {
            let mut answers = Vec::new();
            for batch in queue {
                let verdicts = ask_batch(&*node, &coupon, &batch).await.verdicts;
                answers.extend(batch.into_iter().zip(verdicts));
            }
            answers
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// What each member was told, having checked that nobody was told two things.
fn told(answers: Answers) -> HashMap<MemberId, Option<Grant>> {
    let mut told = HashMap::new();
    for (member, verdict) in answers {
        let first = *told.entry(member.clone()).or_insert(held(verdict));
        assert_eq!(first, held(verdict), "{member} was told two things");
    }
    told
}

pub(crate) async fn ten_thousand_members_at_once_get_a_thousand_coupons(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 1_000);
    fixture.introduce(&coupon).await;
    let nodes = [fixture.engine(), fixture.second_node_engine()];
    let mut clicks = [members(0..10_000), members(0..10_000)].concat();
    shuffle(&mut clicks);
    let answers = rush(&nodes, &coupon.id, clicks).await;
    let new = answers.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Issued(_))).count();
    let again = answers.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Again(_))).count();
    let late = answers.iter().filter(|(_, verdict)| *verdict == rejected(Rejection::SoldOut)).count();
    assert_eq!(
        (new, again, late),
        (1_000, 1_000, 18_000),
        "every winner twice, everybody else sold out twice"
    );
    let (told, truth) = (told(answers), truth(&*nodes[0], &coupon.id, 1_000).await);
    assert_eq!(told.len(), 10_000);
    for (member, grant) in truth.into_values() {
        assert_eq!(told[&member], Some(grant), "what was told is what holds");
    }
}

pub(crate) async fn one_member_on_many_nodes_at_once_gets_one_coupon(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 1_000);
    fixture.introduce(&coupon).await;
    let nodes = [fixture.engine(), fixture.second_node_engine()];
    let answers = rush(&nodes, &coupon.id, vec![member("kim"); 1_000]).await;
    let new = answers.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Issued(_))).count();
    assert_eq!((new, told(answers).len()), (1, 1));
    truth(&*nodes[0], &coupon.id, 1).await;
}

pub(crate) async fn callers_who_go_away_leave_the_engine_well(fixture: &mut dyn Fixture) {
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
    // Whatever became of those calls, everybody who asks now gets one coupon, and asking again the same.
    let who = members(0..CALLS * 5 + 5);
    let first = ask_all(&*engine, &coupon.id, &who).await;
    let again = ask_all(&*engine, &coupon.id, &who).await;
    assert!(first.iter().zip(&again).all(|(one, two)| held(*one).is_some() && held(*one) == held(*two)));
    truth(&*engine, &coupon.id, CALLS * 5 + 5).await;
}

pub(crate) async fn raising_the_total_during_the_rush_strands_nothing(fixture: &mut dyn Fixture) {
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
    let answers = rush(std::slice::from_ref(&engine), &coupon.id, members(0..2_000)).await;
    operator.await.expect("the operator's changes are allowed");
    let grants: HashMap<_, _> =
        answers.iter().filter_map(|(member, verdict)| Some((member.clone(), held(*verdict)?))).collect();
    // Some may have come before the last rise: the next who ask get exactly what is left.
    ask_all(&*engine, &coupon.id, &members(2_000..2_400)).await;
    let truth = truth(&*engine, &coupon.id, 400).await;
    let kept = truth.values().filter(|(member, grant)| grants.get(member) == Some(grant)).count();
    assert_eq!(kept, grants.len(), "whoever was told of a coupon holds it");
    assert_eq!(ask(&*engine, &coupon.id, &member("late")).await, rejected(Rejection::SoldOut));
}
