//! Who works on a node: what its actors share, and which of them its roles ask for.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use tokio::sync::watch;

use super::backend::{Backend, StartError, Transport};
use super::settings::{Role, Settings};
use crate::actors::cluster::{HeartbeatActor, HeartbeatDeps, Lease, Membership, Recoveries, RecoveryDeps};
use crate::actors::delivery::{
    DatabaseOutage, PersisterActor, PersisterDeps, PublisherActor, PublisherInbox,
};
use crate::actors::issuing::{AdmissionLimits, CouponRegistry};
use crate::actors::reconcile::{ReconcileSchedule, Reconciler, ReconcilerActor};
use crate::actors::runtime::{
    Arbiters, BackgroundTask as _, Child, FailedActors, Supervise, SupervisorActor,
};
use crate::actors::upkeep::{
    GateKeeperActor, GateKeeperDeps, MetricsSamplerActor, MetricsSamplerDeps, OutboxActor, SampledStack,
    SweepDeps,
};
use crate::gate::Trust;
use crate::messaging::rabbitmq::RabbitQueues;
use crate::ports::NodeId;
use crate::telemetry::Metrics;

/// How long the right to sweep lasts: so much later another node sweeps after a dead one.
const SWEEP_PERIOD: Duration = Duration::from_secs(2);

/// The actors of one node and what they share.
pub(super) struct NodeActors {
    pub(super) metrics: Arc<Metrics>,
    pub(super) shards: Arc<Arbiters>,
    pub(super) supervisor: Addr<SupervisorActor>,
    /// Who has died too often.
    pub(super) failed: FailedActors,
    pub(super) registry: Arc<CouponRegistry>,
    pub(super) publisher: PublisherInbox,
    pub(super) reconciler: Reconciler,
    /// This node among others; none on an engine that has no others.
    pub(super) peers: Option<Arc<Membership>>,
    recoveries: Option<Arc<Recoveries>>,
    /// Tells long-running actors to finish; its receivers are those that live.
    pub(super) stopping: watch::Sender<bool>,
}

impl NodeActors {
    /// Makes what they share. Nobody works yet but the supervisor.
    pub(super) fn assemble(settings: &Settings, backend: &Backend) -> Self {
        let metrics = Arc::new(Metrics::new());
        metrics.begin(backend.engine.name());
        let shards = Arc::new(Arbiters::start(settings.shards));
        let failed = FailedActors::default();
        let supervisor =
            SupervisorActor::start_on(&shards.housekeeping(), Arc::clone(&metrics), failed.clone());
        let trust = backend.cluster.as_ref().map_or_else(Trust::always, |_| Trust::not_yet());
        let trust = Arc::new(trust);
        let publisher = PublisherInbox::new(Arc::clone(&metrics));
        let registry = Arc::new(CouponRegistry::new(
            Arc::clone(&backend.engine),
            backend.transport.as_ref().map(|_| publisher.clone()),
            supervisor.clone(),
            Arc::clone(&shards),
            Arc::clone(&metrics),
            AdmissionLimits { queue_limit: settings.queue_limit, engine_timeout: settings.request_timeout },
            Arc::clone(&trust),
        ));
        let reconciler = Reconciler::new(backend.reconcile_parts(), Arc::clone(&metrics));
        let peers = backend.cluster.as_ref().map(|cluster| {
            Membership::new(NodeId::random(), Arc::clone(cluster), Arc::clone(&backend.engine), trust)
        });
        let recoveries =
            backend.transport.as_ref().zip(peers.as_ref()).map(|(transport, peers)| {
                Recoveries::new(recovery_parts(peers, backend, transport, &metrics))
            });
        let stopping = watch::Sender::new(false);
        Self {
            metrics,
            shards,
            supervisor,
            failed,
            registry,
            publisher,
            reconciler,
            peers,
            recoveries,
            stopping,
        }
    }

    /// Starts those whom the node's roles ask for.
    ///
    /// # Errors
    /// [`StartError`] if the gates cannot be fitted to what the engine says.
    pub(super) async fn start(&self, settings: &Settings, backend: &Backend) -> Result<(), StartError> {
        let has = |role| settings.roles.contains(&role);
        self.start_gate_keeper(backend).await?;
        self.start_presence().await;
        self.start_vitals(settings, backend).await;
        if let (Some(interval), true) = (settings.reconcile_interval, has(Role::Reconciler)) {
            self.start_reconciler(interval).await;
        }
        let Some(transport) = &backend.transport else { return Ok(()) };
        if has(Role::Api) || has(Role::Publisher) {
            self.start_publisher(transport).await;
        }
        if has(Role::Publisher) {
            self.start_sweep(backend, transport).await;
        }
        if has(Role::Persister) {
            self.start_persisters(settings.persisters, backend, transport).await;
        }
        Ok(())
    }

    async fn supervise(&self, child: impl Child + 'static) {
        // The supervisor was started a moment ago and cannot be gone.
        let _gone = self.supervisor.send(Supervise(Box::new(child))).await;
    }

    /// The right of this node to do `what`, where there are others.
    fn right(&self, what: &'static str, period: Duration) -> Option<Lease> {
        let peers = self.peers.as_ref()?;
        Some(Lease::new(what, period, Arc::clone(peers.cluster()), peers.node().clone()))
    }

    async fn start_gate_keeper(&self, backend: &Backend) -> Result<(), StartError> {
        let parts = GateKeeperDeps {
            registry: Arc::clone(&self.registry),
            catalog: Arc::clone(&backend.catalog),
            engine: Arc::clone(&backend.engine),
            peers: self.peers.clone(),
            recoveries: self.recoveries.clone(),
            metrics: Arc::clone(&self.metrics),
        };
        let keeper = GateKeeperActor::child(parts, self.stopping.clone(), self.shards.housekeeping());
        keeper.first_round().await?;
        self.supervise(keeper).await;
        Ok(())
    }

    async fn start_presence(&self) {
        let Some(peers) = self.peers.clone() else { return };
        let (recoveries, registry) = (self.recoveries.clone(), Arc::clone(&self.registry));
        let parts = HeartbeatDeps { peers, recoveries, registry };
        let child = HeartbeatActor::child(parts, self.stopping.clone(), self.shards.housekeeping());
        self.supervise(child).await;
    }

    async fn start_vitals(&self, settings: &Settings, backend: &Backend) {
        let stack = backend.transport.as_ref().map(|transport| SampledStack {
            postgres: Arc::clone(&transport.watched),
            queues: Arc::<RabbitQueues>::clone(&transport.queues),
            outbox: Arc::clone(&transport.outbox),
            publisher: self.publisher.clone(),
        });
        let parts = MetricsSamplerDeps {
            registry: Arc::clone(&self.registry),
            metrics: Arc::clone(&self.metrics),
            engine: Arc::clone(&backend.engine),
            engine_service: settings.engine.service(),
            pools: backend.pools(),
            stack,
        };
        let child = MetricsSamplerActor::child(parts, self.stopping.clone(), self.shards.housekeeping());
        self.supervise(child).await;
    }

    async fn start_reconciler(&self, interval: Duration) {
        // So long that who has it keeps it from one run to the next.
        let right = self.right("reconcile", interval * 2);
        let schedule = ReconcileSchedule { reconciler: self.reconciler.clone(), interval, right };
        let child = ReconcilerActor::child(schedule, self.stopping.clone(), self.shards.housekeeping());
        self.supervise(child).await;
    }

    async fn start_publisher(&self, transport: &Transport) {
        let (bus, metrics) = (Arc::clone(&transport.bus), Arc::clone(&self.metrics));
        let arbiter = self.shards.of("publisher");
        self.supervise(PublisherActor::child(self.publisher.clone(), bus, metrics, arbiter)).await;
    }

    async fn start_sweep(&self, backend: &Backend, transport: &Transport) {
        let parts = SweepDeps {
            registry: Arc::clone(&self.registry),
            outbox: Arc::clone(&transport.outbox),
            store: Arc::clone(&backend.store),
            bus: Arc::clone(&transport.bus),
            publisher: self.publisher.clone(),
            metrics: Arc::clone(&self.metrics),
            right: self.right("sweep", SWEEP_PERIOD),
        };
        let child = OutboxActor::child(parts, self.stopping.clone(), self.shards.housekeeping());
        self.supervise(child).await;
    }

    async fn start_persisters(&self, count: usize, backend: &Backend, transport: &Transport) {
        // Without others nobody asks.
        let in_flight = self.peers.as_ref().map(|peers| peers.hands().clone()).unwrap_or_default();
        let outage = DatabaseOutage::default();
        for number in 1..=count {
            let parts = PersisterDeps {
                number,
                source: Arc::clone(&transport.source),
                queue: transport.issuances.clone(),
                store: Arc::clone(&backend.store),
                metrics: Arc::clone(&self.metrics),
                acks: self.publisher.acks().clone(),
                in_flight: in_flight.clone(),
                outage: outage.clone(),
            };
            let arbiter = self.shards.of(&parts.name());
            let child = PersisterActor::child(parts, self.stopping.clone(), arbiter);
            self.supervise(child).await;
        }
    }
}

fn recovery_parts(
    peers: &Arc<Membership>,
    backend: &Backend,
    transport: &Transport,
    metrics: &Arc<Metrics>,
) -> RecoveryDeps {
    RecoveryDeps {
        peers: Arc::clone(peers),
        engine: Arc::clone(&transport.recovery),
        catalog: Arc::clone(&backend.catalog),
        store: Arc::clone(&backend.store),
        lost: Arc::clone(&transport.lost),
        bus: Arc::clone(&transport.bus),
        metrics: Arc::clone(metrics),
    }
}
