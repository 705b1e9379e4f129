//! What this node lets the others know, and how it can tell that all of them know something.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::actors::delivery::InFlight;
use crate::gate::Trust;
use crate::ports::{AdmissionEngine, Cluster, ClusterError, ClusterTime, EngineError, NodeId, OpenRecovery};

/// How long one question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// After how much silence a node counts as dead: ten missed beats.
const PRESUMED_DEAD_AFTER: Duration = Duration::from_secs(5);
/// For how long a node is waited for while this one cannot tell silence from its own deafness.
const WAITED_FOR_WHEN_DEAF: Duration = Duration::from_secs(3_600);
/// A beat that comes this late says that the database was away for this node, and perhaps for others.
const BEAT_LATE_AFTER: Duration = Duration::from_secs(3);
/// How long a beat lets this node say "sold out" by itself: less than after what others stop waiting for it.
const TRUST_BY_BEAT: Duration = Duration::from_secs(4);
/// How long a look at the engine does. Whoever raises a total waits for so long.
const TRUST_BY_LOOK: Duration = Duration::from_secs(1);
/// How long everybody may take to hear of something.
const HEARD_WITHIN: Duration = Duration::from_secs(8);
/// How often it is looked whether they have.
const HEARD_POLL: Duration = Duration::from_millis(50);

/// Why it is not known whether everybody knows.
#[derive(Debug, thiserror::Error)]
pub enum PropagationError {
    /// Nodes cannot meet.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The engine cannot tell them.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Some node lives, but does not say that it knows.
    #[error("{0} other nodes have not heard of it")]
    Silent(u32),
}

/// One node among others.
pub struct Membership {
    node: NodeId,
    cluster: Arc<dyn Cluster>,
    engine: Arc<dyn AdmissionEngine>,
    trust: Arc<Trust>,
    /// What this node's persisters have in hand.
    hands: InFlight,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The time of the last beat, by the clock that all nodes share, and when this node had heard of it.
    beat: Option<(ClusterTime, Instant)>,
    /// This node knows of everything that was written into the catalogue before then.
    aware: Option<ClusterTime>,
    last_beat: Option<Instant>,
    /// Since when every beat has come in time.
    steady_since: Option<Instant>,
}

impl Membership {
    /// The node `node`, which has not been heard of yet.
    #[must_use]
    pub fn new(
        node: NodeId,
        cluster: Arc<dyn Cluster>,
        engine: Arc<dyn AdmissionEngine>,
        trust: Arc<Trust>,
    ) -> Arc<Self> {
        Arc::new(Self { node, cluster, engine, trust, hands: InFlight::default(), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This node's name.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// Where the nodes meet.
    #[must_use]
    pub fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// What this node's persisters have in hand: every beat says whether anything is for long.
    #[must_use]
    pub fn hands(&self) -> &InFlight {
        &self.hands
    }

    /// Says that this node lives, and what it knows of; gives the recoveries that wait for it.
    ///
    /// # Errors
    /// [`ClusterError`] if nobody heard it.
    pub(crate) async fn heartbeat(&self) -> Result<Vec<OpenRecovery>, ClusterError> {
        let begun = Instant::now();
        let aware = self.state().aware;
        let free = self.reading().filter(|_| self.hands.is_idle(begun));
        let beat = bounded(self.cluster.heartbeat(&self.node, aware, free)).await;
        let mut state = self.state();
        if beat.is_err() || state.last_beat.is_some_and(|last| begun - last > BEAT_LATE_AFTER) {
            state.steady_since = None;
        }
        let heard = beat?;
        state.last_beat = Some(begun);
        state.steady_since.get_or_insert(begun);
        state.beat = Some((heard.now, Instant::now()));
        if state.aware.is_some() {
            self.trust.extend(begun + TRUST_BY_BEAT);
        }
        Ok(heard.open)
    }

    /// Says that this node ends in good order.
    pub(crate) async fn leave(&self) {
        let _silent = timeout(QUESTION_TIMEOUT, self.cluster.leave(&self.node)).await;
    }

    /// How long others are waited for: only who hears every beat itself can tell that another one is silent.
    pub(crate) fn patience(&self) -> Duration {
        let steady = self.state().steady_since.is_some_and(|since| since.elapsed() >= PRESUMED_DEAD_AFTER);
        if steady { PRESUMED_DEAD_AFTER } else { WAITED_FOR_WHEN_DEAF }
    }

    /// To be asked before the catalogue is read, and given to [`Membership::has_read`] after every gate has been fitted to it.
    /// It is the shared clock's time at the last beat and what has passed here since: never later than the time now.
    pub(crate) fn reading(&self) -> Option<ClusterTime> {
        let (ClusterTime(beat), heard) = self.state().beat?;
        let since_us = i64::try_from(heard.elapsed().as_micros()).unwrap_or(0);
        // Two clocks do not go quite alike.
        Some(ClusterTime(beat + since_us - since_us / 1_000))
    }

    /// Says that this node knows what was in the catalogue at `since`.
    pub(crate) fn has_read(&self, since: Option<ClusterTime>) {
        let mut state = self.state();
        state.aware = state.aware.max(since);
    }

    /// Says that this node's gates fit what the engine said at `begun` or later.
    pub(crate) fn has_looked(&self, begun: Instant) {
        self.trust.extend(begun + TRUST_BY_LOOK);
    }

    /// Waits until every node that lives knows what is in the catalogue now, and no other one trusts what it knew before.
    ///
    /// # Errors
    /// [`PropagationError`]; nobody need be told to forget it.
    pub(crate) async fn await_catalog_read(&self) -> Result<(), PropagationError> {
        let now = bounded(self.cluster.now()).await?;
        self.engine.announce().await?;
        let (told, deadline) = (Instant::now(), Instant::now() + HEARD_WITHIN);
        loop {
            let unaware = bounded(self.cluster.count_lagging(now, self.patience())).await?;
            if unaware == 0 && told.elapsed() >= TRUST_BY_LOOK {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(PropagationError::Silent(unaware));
            }
            tokio::time::sleep(HEARD_POLL).await;
        }
    }
}

async fn bounded<T>(question: impl Future<Output = Result<T, ClusterError>>) -> Result<T, ClusterError> {
    timeout(QUESTION_TIMEOUT, question)
        .await
        .unwrap_or_else(|_| Err(ClusterError("no answer in time".into())))
}
