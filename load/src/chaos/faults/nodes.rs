//! Nodes are killed, frozen and asked to end.

use super::Done;
use crate::chaos::arena::Arena;
use crate::chaos::node::Node;

pub(super) async fn killed(arena: &mut Arena) -> Done {
    let victim = arena.any_node();
    arena.nodes[victim].kill();
    arena.linger(0, 1_500).await;
    arena.nodes[victim].restart().await?;
    Ok(())
}

pub(super) async fn all_killed(arena: &mut Arena) -> Done {
    arena.nodes.iter_mut().for_each(Node::kill);
    arena.linger(0, 500).await;
    for node in &mut arena.nodes {
        node.restart().await?;
    }
    Ok(())
}

pub(super) async fn frozen(arena: &mut Arena) -> Done {
    let victim = arena.any_node();
    arena.nodes[victim].freeze();
    arena.linger(500, 6_000).await;
    arena.nodes[victim].thaw();
    Ok(())
}

pub(super) async fn terminated(arena: &mut Arena) -> Done {
    let victim = arena.any_node();
    arena.nodes[victim].terminate().await;
    arena.linger(0, 500).await;
    arena.nodes[victim].restart().await?;
    Ok(())
}
