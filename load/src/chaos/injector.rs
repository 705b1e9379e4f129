//! Injects one fault: breaks, repairs, and measures the time until everything works again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::RwLock;

use super::faults::Trouble;
use super::recovery::Probe;
use super::schedule::Turn;
use super::settle;
use super::testbed::TestBed;

/// An injected fault, or the reason for which it was skipped.
#[derive(Clone, Debug, Serialize)]
pub struct Injected {
    pub fault: &'static str,
    /// Begin, in microseconds since the start.
    pub from_us: u64,
    /// End of the repair.
    pub to_us: u64,
    /// Reason for which the fault was skipped.
    pub skipped: Option<String>,
    /// Error during the fault.
    pub trouble: Option<String>,
    /// Time from the repair until every node served; `None` if it exceeded the bound.
    pub recovery_ms: Option<u64>,
    /// Time from then until every issuance was in the database; `None` if it exceeded the bound.
    pub arrival_ms: Option<u64>,
}

/// Injects a fault. Returns after `patience` even if issuances are still missing in the database.
pub(super) async fn inject(
    testbed: &mut TestBed,
    Turn { fault, rng }: Turn,
    probe: &mut Probe,
    calm: &Arc<RwLock<()>>,
    patience: Duration,
) -> Injected {
    let undisturbed = if fault.needs_calm { Some(calm.write().await) } else { None };
    testbed.rng = rng;
    let from_us = testbed.now_us();
    let (skipped, trouble) = match (fault.run)(testbed).await {
        Ok(()) => (None, None),
        Err(Trouble::Skipped(why)) => (Some(why), None),
        Err(Trouble::Failed(why)) => (None, Some(why)),
    };
    let to_us = testbed.now_us();
    let recovery_ms = probe.until_all_serve().await.map(ms);
    drop(undisturbed);
    let started = Instant::now();
    let arrived = settle::until_arrived(testbed, patience).await;
    let arrival_ms = arrived.then(|| ms(started.elapsed()));
    Injected { fault: fault.name, from_us, to_us, skipped, trouble, recovery_ms, arrival_ms }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
