//! Nodes are killed, frozen and terminated.

use super::FaultResult;
use crate::chaos::node::Node;
use crate::chaos::testbed::TestBed;

pub(super) async fn kill(testbed: &mut TestBed) -> FaultResult {
    let victim = testbed.any_node();
    testbed.nodes[victim].kill();
    testbed.sleep_between(0, 1_500).await;
    testbed.nodes[victim].restart().await?;
    Ok(())
}

pub(super) async fn kill_all(testbed: &mut TestBed) -> FaultResult {
    testbed.nodes.iter_mut().for_each(Node::kill);
    testbed.sleep_between(0, 500).await;
    for node in &mut testbed.nodes {
        node.restart().await?;
    }
    Ok(())
}

pub(super) async fn freeze(testbed: &mut TestBed) -> FaultResult {
    let victim = testbed.any_node();
    testbed.nodes[victim].freeze();
    testbed.sleep_between(500, 6_000).await;
    testbed.nodes[victim].thaw();
    Ok(())
}

pub(super) async fn terminate(testbed: &mut TestBed) -> FaultResult {
    let victim = testbed.any_node();
    testbed.nodes[victim].terminate().await;
    testbed.sleep_between(0, 500).await;
    testbed.nodes[victim].restart().await?;
    Ok(())
}
