//! The end of a run: whoever has no answer yet asks again, every coupon is asked for once more, everything arrives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asking::Asking;
use super::checker::Violation;
use super::crowd::Crowd;
use super::history::{Call, Outcome};
use super::operator::STEWARD;

const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long all who ask again may take together, with everything whole.
const BOUND: Duration = Duration::from_secs(60);

/// Asks for everybody who was left without an answer, and lets one more member ask for each coupon on each node. Gives
/// those who still have none.
pub(super) async fn ask_again(crowd: &Arc<Crowd>) -> Vec<Violation> {
    let mut asking = crowd.asking(STEWARD);
    let deadline = Instant::now() + BOUND;
    let mut violations = Vec::new();
    for (coupon, member) in unanswered(crowd) {
        if !until_answered(&mut asking, 0, &coupon, &member, deadline).await {
            let what = format!("member {member} of {coupon} has no answer, however often they ask");
            violations.push(Violation::new("asking_again_gives_the_answer", what));
        }
    }
    for stall in crowd.market.all() {
        for node in 0..asking.nodes() {
            let member = format!("last-{node}").into();
            if !until_answered(&mut asking, node, &stall.id, &member, deadline).await {
                let what = format!("nobody is answered who asks node {node} for {}", stall.id);
                violations.push(Violation::new("none_is_stranded", what));
            }
        }
    }
    violations
}

/// Coupons and members of whom every question stayed open.
fn unanswered(crowd: &Crowd) -> Vec<(Arc<str>, Arc<str>)> {
    let mut answered: BTreeMap<(Arc<str>, Arc<str>), bool> = BTreeMap::new();
    for op in crowd.history.ops().into_iter().filter(|op| op.call == Call::Issue) {
        let is_answer = !matches!(op.outcome, Outcome::Open(_));
        *answered.entry((op.coupon, op.member)).or_default() |= is_answer;
    }
    answered.into_iter().filter_map(|(who, answered)| (!answered).then_some(who)).collect()
}

async fn until_answered(
    asking: &mut Asking,
    first: usize,
    coupon: &Arc<str>,
    member: &Arc<str>,
    deadline: Instant,
) -> bool {
    let mut node = first;
    loop {
        let (outcome, _) = asking.ask(node, Call::Issue, coupon, member).await;
        if !matches!(outcome, Outcome::Open(_)) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
        if first == 0 {
            node = (node + 1) % asking.nodes();
        }
    }
}
