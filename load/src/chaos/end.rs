//! The end of a run: unanswered members request again, and every coupon is requested once more on every node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checker::Violation;
use super::clients::Clients;
use super::history::{Call, Outcome};
use super::operator::SCENARIO;
use super::requester::Requester;

const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Requests for every member without an answer, and for one more member of each coupon on each node. Reports those
/// without an answer after `patience`.
pub(super) async fn request_again(clients: &Arc<Clients>, patience: Duration) -> Vec<Violation> {
    let mut requester = clients.requester(SCENARIO);
    let deadline = Instant::now() + patience;
    let mut violations = Vec::new();
    for (coupon, member) in unanswered(clients) {
        if !until_answered(&mut requester, 0, &coupon, &member, deadline).await {
            let what = format!("member {member} of {coupon} gets no answer by repeated requests");
            violations.push(Violation::new("asking_again_gives_the_answer", what));
        }
    }
    for coupon in clients.coupons.all() {
        for node in 0..requester.nodes() {
            let member = format!("last-{node}").into();
            if !until_answered(&mut requester, node, &coupon.id, &member, deadline).await {
                let what = format!("node {node} does not answer requests for {}", coupon.id);
                violations.push(Violation::new("none_is_stranded", what));
            }
        }
    }
    violations
}

/// Coupons and members whose requests all ended with an unknown outcome.
fn unanswered(clients: &Clients) -> Vec<(Arc<str>, Arc<str>)> {
    let mut answered: BTreeMap<(Arc<str>, Arc<str>), bool> = BTreeMap::new();
    for op in clients.history.ops().into_iter().filter(|op| op.call == Call::Issue) {
        let is_answer = !matches!(op.outcome, Outcome::Unknown(_));
        *answered.entry((op.coupon, op.member)).or_default() |= is_answer;
    }
    answered.into_iter().filter_map(|(key, answered)| (!answered).then_some(key)).collect()
}

async fn until_answered(
    requester: &mut Requester,
    first: usize,
    coupon: &Arc<str>,
    member: &Arc<str>,
    deadline: Instant,
) -> bool {
    let mut node = first;
    loop {
        let (outcome, _) = requester.send(node, Call::Issue, coupon, member).await;
        if !matches!(outcome, Outcome::Unknown(_)) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(RETRY_AFTER).await;
        if first == 0 {
            node = (node + 1) % requester.nodes();
        }
    }
}
