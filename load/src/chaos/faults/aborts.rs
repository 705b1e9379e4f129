//! A node dies by itself at a place between two steps that no transaction holds together.

use std::time::{Duration, Instant};

use super::{Done, Trouble, messages};
use crate::chaos::amqp::{Broker, dead_letters};
use crate::chaos::arena::Arena;
use crate::chaos::metrics;

/// The names by which openrun knows the places: the engine has decided, and nobody has been told.
pub(super) const ADMITTED: &str = "admitted";
/// A window is on its way to the broker, which has not confirmed it.
pub(super) const PUBLISHED: &str = "published";
/// The broker has confirmed a window, and nobody has noted it.
pub(super) const CONFIRMED: &str = "confirmed";
/// The database has committed a batch, and the broker does not know.
pub(super) const COMMITTED: &str = "committed";

/// A message lies with the dead letters, and is still in its own queue.
const BURIED: &str = "buried";
/// Dead letters are in the queue again, and still dead.
const REPLAYED: &str = "replayed";
/// What an operator calls to send the oldest letter on its way again.
const REPLAY: &str = "/v1/admin/dead-letters/replay?limit=1";

/// The setting that names place and visit, in binaries that were built for tests.
pub(in crate::chaos) const SETTING: &str = "OPENRUN_TEST_ABORT";

/// A node passes each place several times a second.
const BOUND: Duration = Duration::from_secs(20);
const VISITS_MAX: usize = 30;
/// How long to wait before the next try to lead a node to a place that none passes by itself.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

pub(super) async fn at(arena: &mut Arena, place: &str) -> Done {
    if let Err(why) = &arena.aborts {
        return Err(Trouble::Skipped(why.clone()));
    }
    let (victim, visit) = (arena.any_node(), 1 + arena.rng.below(VISITS_MAX));
    let node = &mut arena.nodes[victim];
    node.launch(&[(SETTING, &format!("{place}:{visit}"))]);
    let ended = node.ends_within(BOUND).await;
    revived(arena, victim, ended, place).await
}

/// Poison comes until the node that is to die has taken one, which the other nodes then take once more.
pub(super) async fn buried(arena: &mut Arena) -> Done {
    let victim = armed(arena, BURIED).await?;
    let deadline = Instant::now() + BOUND;
    let mut ended = false;
    while !ended && Instant::now() < deadline {
        messages::poison(arena).await?;
        ended = arena.nodes[victim].ends_within(AGAIN_AFTER).await;
    }
    revived(arena, victim, ended, BURIED).await
}

/// An operator replays a letter through the node that is to die, and never hears of it.
pub(super) async fn replayed(arena: &mut Arena) -> Done {
    let deadline = Instant::now() + BOUND;
    messages::poison(arena).await?;
    let broker = Broker::connect(arena).await?;
    while broker.waiting(&dead_letters()).await? == 0 {
        if Instant::now() >= deadline {
            return Err(Trouble::Failed("poison does not come to the dead letters".to_owned()));
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    let victim = armed(arena, REPLAYED).await?;
    let target = arena.crowd.as_ref().and_then(|crowd| crowd.targets.get(victim)).cloned();
    let mut ended = false;
    while let Some(target) = target.as_ref().filter(|_| !ended && Instant::now() < deadline) {
        metrics::post(target, REPLAY).await;
        ended = arena.nodes[victim].ends_within(AGAIN_AFTER).await;
    }
    revived(arena, victim, ended, REPLAYED).await
}

/// Starts any node so that it dies at its first visit of `place`; which one.
async fn armed(arena: &mut Arena, place: &str) -> Result<usize, Trouble> {
    if let Err(why) = &arena.aborts {
        return Err(Trouble::Skipped(why.clone()));
    }
    let victim = arena.any_node();
    let node = &mut arena.nodes[victim];
    node.launch(&[(SETTING, &format!("{place}:1"))]);
    node.until_serving().await?;
    Ok(victim)
}

async fn revived(arena: &mut Arena, victim: usize, ended: bool, place: &str) -> Done {
    arena.linger(0, 500).await;
    arena.nodes[victim].restart().await?;
    if ended { Ok(()) } else { Err(Trouble::Failed(format!("the node did not come to {place}"))) }
}
