//! Aborts of a node between two steps that no transaction combines.

use std::time::{Duration, Instant};

use super::{Done, Trouble, messages};
use crate::chaos::amqp::{Broker, dead_letters};
use crate::chaos::metrics;
use crate::chaos::testbed::TestBed;

/// Names of the abort points in openrun. The engine has decided, and the members are not answered.
pub(super) const ADMITTED: &str = "admitted";
/// A batch is published and not confirmed.
pub(super) const PUBLISHED: &str = "published";
/// The broker has confirmed a batch, and the publisher has not recorded it.
pub(super) const CONFIRMED: &str = "confirmed";
/// The database has committed a batch, and the deliveries are not acknowledged.
pub(super) const COMMITTED: &str = "committed";

/// A message is in the dead letters, and still in its own queue.
const BURIED: &str = "buried";
/// A dead letter is back in the queue, and still in the dead letters.
const REPLAYED: &str = "replayed";
/// Operator's call that replays the oldest letter.
const REPLAY: &str = "/v1/admin/dead-letters/replay?limit=1";

/// Setting that names abort point and visit, in binaries built for tests.
pub(in crate::chaos) const SETTING: &str = "OPENRUN_TEST_ABORT";

/// A node passes each abort point several times a second.
const BOUND: Duration = Duration::from_secs(20);
const VISITS_MAX: usize = 30;
/// Pause between attempts to lead a node to an abort point that it does not pass by itself.
const RETRY_AFTER: Duration = Duration::from_millis(300);

pub(super) async fn at(testbed: &mut TestBed, point: &str) -> Done {
    if let Err(why) = &testbed.aborts {
        return Err(Trouble::Skipped(why.clone()));
    }
    let (victim, visit) = (testbed.any_node(), 1 + testbed.rng.below(VISITS_MAX));
    let node = &mut testbed.nodes[victim];
    node.launch(&[(SETTING, &format!("{point}:{visit}"))]);
    let ended = node.ends_within(BOUND).await;
    restart(testbed, victim, ended, point).await
}

/// Publishes poison until the arm node has rejected one and died; other nodes then reject it once more.
pub(super) async fn buried(testbed: &mut TestBed) -> Done {
    let victim = arm(testbed, BURIED).await?;
    let deadline = Instant::now() + BOUND;
    let mut ended = false;
    while !ended && Instant::now() < deadline {
        messages::poison(testbed).await?;
        ended = testbed.nodes[victim].ends_within(RETRY_AFTER).await;
    }
    restart(testbed, victim, ended, BURIED).await
}

/// Replays a letter through the arm node, which dies before it answers.
pub(super) async fn replayed(testbed: &mut TestBed) -> Done {
    let deadline = Instant::now() + BOUND;
    messages::poison(testbed).await?;
    let broker = Broker::connect(testbed).await?;
    while broker.waiting(&dead_letters()).await? == 0 {
        if Instant::now() >= deadline {
            return Err(Trouble::Failed("poison does not arrive in the dead letters".to_owned()));
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
    let victim = arm(testbed, REPLAYED).await?;
    let target = testbed.clients.as_ref().and_then(|clients| clients.targets.get(victim)).cloned();
    let mut ended = false;
    while let Some(target) = target.as_ref().filter(|_| !ended && Instant::now() < deadline) {
        metrics::post(target, REPLAY).await;
        ended = testbed.nodes[victim].ends_within(RETRY_AFTER).await;
    }
    restart(testbed, victim, ended, REPLAYED).await
}

/// Starts a random node that aborts at its first visit of `point`, and returns its number.
async fn arm(testbed: &mut TestBed, point: &str) -> Result<usize, Trouble> {
    if let Err(why) = &testbed.aborts {
        return Err(Trouble::Skipped(why.clone()));
    }
    let victim = testbed.any_node();
    let node = &mut testbed.nodes[victim];
    node.launch(&[(SETTING, &format!("{point}:1"))]);
    node.until_serving().await?;
    Ok(victim)
}

async fn restart(testbed: &mut TestBed, victim: usize, ended: bool, point: &str) -> Done {
    testbed.sleep_between(0, 500).await;
    testbed.nodes[victim].restart().await?;
    if ended {
        Ok(())
    } else {
        Err(Trouble::Failed(format!("the node did not reach the abort point {point}")))
    }
}
