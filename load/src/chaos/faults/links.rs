//! Faults of the connections between nodes and one service: cut, held, slow, or without replies.

use super::Done;
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
pub(super) async fn set(testbed: &TestBed, nodes: &[usize], service: Service, mode: Mode) {
    for number in nodes {
        service.of(&testbed.nodes[*number].links).set(mode).await;
    }
}

/// The numbers of all nodes.
pub(super) fn all(testbed: &TestBed) -> Vec<usize> {
    (0..testbed.nodes.len()).collect()
}

/// Redis executes the commands of one node, whose replies are lost, while the other nodes work: members may learn there
/// about issuances that the first node does not know.
pub(super) async fn one_node_unheard(testbed: &mut TestBed) -> Done {
    let victim = [testbed.any_node()];
    set(testbed, &victim, Service::Redis, Mode::SwallowReplies).await;
    testbed.sleep_between(4_000, 6_000).await;
    set(testbed, &victim, Service::Redis, Mode::Cut).await;
    set(testbed, &victim, Service::Redis, Mode::Pass).await;
    Ok(())
}

/// Breaks the link of one node, or of all.
pub(super) async fn broken(testbed: &mut TestBed, service: Service, mode: Mode) -> Done {
    let victims = if testbed.rng.chance_percent(50) { all(testbed) } else { vec![testbed.any_node()] };
    set(testbed, &victims, service, mode).await;
    testbed.sleep_between(1_000, 6_000).await;
    if mode == Mode::SwallowReplies {
        // Swallowed replies never arrive, so the connections are useless.
        set(testbed, &victims, service, Mode::Cut).await;
    }
    set(testbed, &victims, service, Mode::Pass).await;
    Ok(())
}
