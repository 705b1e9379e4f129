//! A node dies by itself at a place between two steps that no transaction holds together.

use std::time::Duration;

use super::{Done, Trouble};
use crate::chaos::arena::Arena;

/// The names by which openrun knows the places: the engine has decided, and nobody has been told.
pub(super) const ADMITTED: &str = "admitted";
/// A window is on its way to the broker, which has not confirmed it.
pub(super) const PUBLISHED: &str = "published";
/// The broker has confirmed a window, and nobody has noted it.
pub(super) const CONFIRMED: &str = "confirmed";
/// The database has committed a batch, and the broker does not know.
pub(super) const COMMITTED: &str = "committed";

/// The setting that names place and visit, in binaries that were built for tests.
pub(in crate::chaos) const SETTING: &str = "OPENRUN_TEST_ABORT";

/// A node passes each place several times a second.
const BOUND: Duration = Duration::from_secs(20);
const VISITS_MAX: usize = 30;

pub(super) async fn at(arena: &mut Arena, place: &str) -> Done {
    if let Err(why) = &arena.aborts {
        return Err(Trouble::Skipped(why.clone()));
    }
    let (victim, visit) = (arena.any_node(), 1 + arena.dice.below(VISITS_MAX));
    let node = &mut arena.nodes[victim];
    node.launch(&[(SETTING, &format!("{place}:{visit}"))]);
    let ended = node.ends_within(BOUND).await;
    arena.linger(0, 500).await;
    arena.nodes[victim].restart().await?;
    if ended {
        Ok(())
    } else {
        Err(Trouble::Failed(format!("the node did not come to {place} {visit} times")))
    }
}
