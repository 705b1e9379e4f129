//! Does one fault after another: breaks, makes whole, and measures how long it takes until all is as before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::RwLock;

use super::arena::Arena;
use super::faults::Trouble;
use super::recovery::Probe;
use super::schedule::Turn;
use super::settle;

/// One fault that was done, or why it was not.
#[derive(Clone, Debug, Serialize)]
pub struct Injected {
    /// The fault's name.
    pub fault: &'static str,
    /// When it began, in microseconds since the start.
    pub from_us: u64,
    /// When it was made whole.
    pub to_us: u64,
    /// Why it was skipped, where it was.
    pub skipped: Option<String>,
    /// What went wrong while it was done.
    pub trouble: Option<String>,
    /// From making whole until every node served again; `None` if that took longer than it was waited for.
    pub recovery_ms: Option<u64>,
    /// From then until everything that had been told was in the database; `None` likewise.
    pub arrival_ms: Option<u64>,
}

/// Does the fault of one turn. After `patience` the next comes, even if what was told has not arrived.
pub(super) async fn inject(
    arena: &mut Arena,
    Turn { fault, rng }: Turn,
    probe: &mut Probe,
    calm: &Arc<RwLock<()>>,
    patience: Duration,
) -> Injected {
    let undisturbed = if fault.needs_calm { Some(calm.write().await) } else { None };
    arena.rng = rng;
    let from_us = arena.now_us();
    let (skipped, trouble) = match (fault.run)(arena).await {
        Ok(()) => (None, None),
        Err(Trouble::Skipped(why)) => (Some(why), None),
        Err(Trouble::Failed(why)) => (None, Some(why)),
    };
    let to_us = arena.now_us();
    let recovery_ms = probe.until_all_serve().await.map(ms);
    drop(undisturbed);
    let begun = Instant::now();
    let arrived = settle::until_arrived(arena, patience).await;
    let arrival_ms = arrived.then(|| ms(begun.elapsed()));
    Injected { fault: fault.name, from_us, to_us, skipped, trouble, recovery_ms, arrival_ms }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
