//! This node among the nodes of the cluster: its heartbeat, and the wait until every node has read the catalogue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actors::delivery::InFlight;
use crate::actors::runtime::deadline::bounded;
use crate::gate::Trust;
use crate::ports::{AdmissionEngine, Cluster, ClusterError, ClusterTime, EngineError, NodeId, OpenRecovery};
use crate::sync::Locked;

/// A node counts as dead after ten missed heartbeats.
const PRESUMED_DEAD_AFTER: Duration = Duration::from_secs(5);
/// Replaces [`PRESUMED_DEAD_AFTER`] while this node's own heartbeats fail: it cannot tell a dead node from a database
/// that no node reaches.
const WAIT_WHILE_UNSTEADY: Duration = Duration::from_secs(3_600);
/// After a gap this long between two heartbeats the database may have been unreachable for other nodes too.
const HEARTBEAT_LATE_AFTER: Duration = Duration::from_secs(3);
/// Trust granted by one heartbeat. Must be below [`PRESUMED_DEAD_AFTER`]: a node that the others no longer wait for
/// must not say "sold out" by itself any more.
const TRUST_BY_HEARTBEAT: Duration = Duration::from_secs(4);
/// Trust granted by a round of the gate keeper. Raising a total waits for this long.
const TRUST_BY_ROUND: Duration = Duration::from_secs(1);
/// The limit of [`Membership::await_catalog_read`].
const CATALOG_READ_TIMEOUT: Duration = Duration::from_secs(8);
const CATALOG_READ_POLL: Duration = Duration::from_millis(50);

/// Why it is unknown whether every node has read the catalogue.
#[derive(Debug, thiserror::Error)]
pub enum PropagationError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0} other nodes have not read the catalogue since the change")]
    Lagging(u32),
}

pub struct Membership {
    node: NodeId,
    cluster: Arc<dyn Cluster>,
    engine: Arc<dyn AdmissionEngine>,
    trust: Arc<Trust>,
    in_flight: InFlight,
    state: Locked<State>,
}

#[derive(Default)]
struct State {
    /// The cluster's time in the last reply, and this node's clock when it arrived.
    last_reply: Option<(ClusterTime, Instant)>,
    /// The gates fit the catalogue as it was then.
    catalog_read_at: Option<ClusterTime>,
    last_sent: Option<Instant>,
    /// Every heartbeat since then was in time.
    steady_since: Option<Instant>,
}

impl Membership {
    #[must_use]
    pub fn new(
        node: NodeId,
        cluster: Arc<dyn Cluster>,
        engine: Arc<dyn AdmissionEngine>,
        trust: Arc<Trust>,
    ) -> Arc<Self> {
        Arc::new(Self {
            node,
            cluster,
            engine,
            trust,
            in_flight: InFlight::default(),
            state: Locked::default(),
        })
    }

    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    #[must_use]
    pub fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// Deliveries in flight at this node's persisters; every heartbeat reports whether they are idle.
    #[must_use]
    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Reports this node as alive, with its progress on the catalogue; gives the open recoveries.
    pub(crate) async fn heartbeat(&self) -> Result<Vec<OpenRecovery>, ClusterError> {
        let sent_at = Instant::now();
        let catalog_read_at = self.state.lock().catalog_read_at;
        let idle_since = self.cluster_time().filter(|_| self.in_flight.is_idle(sent_at));
        let reply = bounded(self.cluster.heartbeat(&self.node, catalog_read_at, idle_since)).await;
        let mut state = self.state.lock();
        if reply.is_err() || state.last_sent.is_some_and(|last| sent_at - last > HEARTBEAT_LATE_AFTER) {
            state.steady_since = None;
        }
        let reply = reply?;
        state.last_sent = Some(sent_at);
        state.steady_since.get_or_insert(sent_at);
        state.last_reply = Some((reply.now, Instant::now()));
        if state.catalog_read_at.is_some() {
            self.trust.extend(sent_at + TRUST_BY_HEARTBEAT);
        }
        Ok(reply.open)
    }

    /// Reports that this node ends in good order, so that no other one waits for it.
    pub(crate) async fn leave(&self) {
        let _left = bounded(self.cluster.leave(&self.node)).await;
    }

    /// The silence after which other nodes count as dead. Only a node whose own heartbeats all succeed can judge that.
    pub(crate) fn patience(&self) -> Duration {
        let steady =
            self.state.lock().steady_since.is_some_and(|since| since.elapsed() >= PRESUMED_DEAD_AFTER);
        if steady { PRESUMED_DEAD_AFTER } else { WAIT_WHILE_UNSTEADY }
    }

    /// The present by the cluster's clock, estimated from the last reply and never too late. Taken before the catalogue
    /// is read, and passed to [`Membership::record_catalog_read`] once every gate fits it.
    pub(crate) fn cluster_time(&self) -> Option<ClusterTime> {
        let (ClusterTime(replied), received_at) = self.state.lock().last_reply?;
        let since_us = i64::try_from(received_at.elapsed().as_micros()).unwrap_or(0);
        // The two clocks may differ in speed: 0.1 % is taken off.
        Some(ClusterTime(replied + since_us - since_us / 1_000))
    }

    /// Records that this node's gates fit the catalogue as it was at `started_at`.
    pub(crate) fn record_catalog_read(&self, started_at: Option<ClusterTime>) {
        let mut state = self.state.lock();
        state.catalog_read_at = state.catalog_read_at.max(started_at);
    }

    /// Records that this node's gates fit answers of the engine from `started_at` or later.
    pub(crate) fn record_round(&self, started_at: Instant) {
        self.trust.extend(started_at + TRUST_BY_ROUND);
    }

    /// Waits until every living node has read the catalogue as it is now, and the trust in older answers has ended
    /// everywhere. May be given up at any point.
    pub(crate) async fn await_catalog_read(&self) -> Result<(), PropagationError> {
        let changed_at = bounded(self.cluster.now()).await?;
        self.engine.announce().await?;
        let announced = Instant::now();
        loop {
            let lagging = self.cluster.count_lagging(changed_at, self.patience());
            let lagging = bounded(lagging).await?;
            if lagging == 0 && announced.elapsed() >= TRUST_BY_ROUND {
                return Ok(());
            }
            if announced.elapsed() >= CATALOG_READ_TIMEOUT {
                return Err(PropagationError::Lagging(lagging));
            }
            tokio::time::sleep(CATALOG_READ_POLL).await;
        }
    }
}
