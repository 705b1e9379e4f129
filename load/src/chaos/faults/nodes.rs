//! Nodes are killed, frozen and terminated.

use super::Done;
use crate::chaos::node::Node;
use crate::chaos::testbed::TestBed;

pub(super) async fn killed(testbed: &mut TestBed) -> Done {
    let victim = testbed.any_node();
    testbed.nodes[victim].kill();
    testbed.sleep_between(0, 1_500).await;
    testbed.nodes[victim].restart().await?;
    Ok(())
}

pub(super) async fn all_killed(testbed: &mut TestBed) -> Done {
    testbed.nodes.iter_mut().for_each(Node::kill);
    testbed.sleep_between(0, 500).await;
    for node in &mut testbed.nodes {
        node.restart().await?;
    }
    Ok(())
}

pub(super) async fn frozen(testbed: &mut TestBed) -> Done {
    let victim = testbed.any_node();
    testbed.nodes[victim].freeze();
    testbed.sleep_between(500, 6_000).await;
    testbed.nodes[victim].thaw();
    Ok(())
}

pub(super) async fn terminated(testbed: &mut TestBed) -> Done {
    let victim = testbed.any_node();
    testbed.nodes[victim].terminate().await;
    testbed.sleep_between(0, 500).await;
    testbed.nodes[victim].restart().await?;
    Ok(())
}
