//! Faults of the connections between nodes and one service: cut, held, slow, or without replies.

use super::FaultResult;
use crate::chaos::node::Links;
use crate::chaos::testbed::TestBed;
use crate::fleet::proxy::{Mode, Proxy};

#[derive(Clone, Copy, Debug)]
pub(super) enum Service {
    Redis,
    RabbitMq,
    Postgres,
}

impl Service {
    fn of(self, links: &Links) -> &Proxy {
        match self {
            Self::Redis => &links.redis,
            Self::RabbitMq => &links.rabbitmq,
            Self::Postgres => &links.postgres,
        }
    }
}

/// Sets the mode of these nodes' links to the service.
pub(super) async fn set_mode(testbed: &TestBed, nodes: &[usize], service: Service, mode: Mode) {
    for number in nodes {
        service.of(&testbed.nodes[*number].links).set(mode).await;
    }
}

/// The numbers of all nodes.
pub(super) fn all_nodes(testbed: &TestBed) -> Vec<usize> {
    (0..testbed.nodes.len()).collect()
}

/// Redis executes the commands of one node, and the replies to it are lost. The other nodes work, so members may learn
/// there about issuances that the first node does not know.
pub(super) async fn lose_replies_to_one_node(testbed: &mut TestBed) -> FaultResult {
    let victim = [testbed.any_node()];
    set_mode(testbed, &victim, Service::Redis, Mode::SwallowReplies).await;
    testbed.sleep_between(4_000, 6_000).await;
    set_mode(testbed, &victim, Service::Redis, Mode::Cut).await;
    set_mode(testbed, &victim, Service::Redis, Mode::Pass).await;
    Ok(())
}

/// Breaks the link of one node, or of all.
pub(super) async fn break_links(testbed: &mut TestBed, service: Service, mode: Mode) -> FaultResult {
    let victims = if testbed.rng.chance_percent(50) { all_nodes(testbed) } else { vec![testbed.any_node()] };
    set_mode(testbed, &victims, service, mode).await;
    testbed.sleep_between(1_000, 6_000).await;
    if mode == Mode::SwallowReplies {
        // Swallowed replies never arrive, so the connections are useless.
        set_mode(testbed, &victims, service, Mode::Cut).await;
    }
    set_mode(testbed, &victims, service, Mode::Pass).await;
    Ok(())
}
