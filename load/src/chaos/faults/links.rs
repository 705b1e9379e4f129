//! The way between nodes and one service: cut, held, slow, or without a way back.

use super::Done;
use crate::chaos::arena::Arena;
use crate::chaos::node::Links;
use crate::fleet::proxy::{Mode, Proxy};

/// The other end of a link.
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

/// Sets the links of these nodes.
pub(super) async fn set(arena: &Arena, nodes: &[usize], service: Service, mode: Mode) {
    for number in nodes {
        service.of(&arena.nodes[*number].links).set(mode).await;
    }
}

/// Every node's number.
pub(super) fn all(arena: &Arena) -> Vec<usize> {
    (0..arena.nodes.len()).collect()
}

/// Redis does what one node tells it, and that node never hears of it, while members ask the others too: they may hear
/// there what the first node does not know.
pub(super) async fn one_node_unheard(arena: &mut Arena) -> Done {
    let victim = [arena.any_node()];
    set(arena, &victim, Service::Redis, Mode::SwallowReplies).await;
    arena.linger(4_000, 6_000).await;
    set(arena, &victim, Service::Redis, Mode::Cut).await;
    set(arena, &victim, Service::Redis, Mode::Pass).await;
    Ok(())
}

/// One node's link, or those of all.
pub(super) async fn broken(arena: &mut Arena, service: Service, mode: Mode) -> Done {
    let victims = if arena.rng.chance_percent(50) { all(arena) } else { vec![arena.any_node()] };
    set(arena, &victims, service, mode).await;
    arena.linger(1_000, 6_000).await;
    if mode == Mode::SwallowReplies {
        // What was swallowed stays lost: such a connection is of no more use.
        set(arena, &victims, service, Mode::Cut).await;
    }
    set(arena, &victims, service, Mode::Pass).await;
    Ok(())
}
