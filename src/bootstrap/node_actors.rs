//! The actors of a node: the values that they share, and the start of those that the node's roles need.

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

/// Period of the sweep's lease. After the death of its holder, another node takes over this much later.
const SWEEP_PERIOD: Duration = Duration::from_secs(2);

/// The supervisor of a node, and the values that its actors share.
pub(super) struct NodeActors {
    pub(super) metrics: Arc<Metrics>,
    pub(super) arbiters: Arc<Arbiters>,
    pub(super) supervisor: Addr<SupervisorActor>,
    pub(super) failed: FailedActors,
    pub(super) registry: Arc<CouponRegistry>,
    pub(super) publisher: PublisherInbox,
    pub(super) reconciler: Reconciler,
    /// Absent on the embedded engine, which serves a single node.
    pub(super) membership: Option<Arc<Membership>>,
    recoveries: Option<Arc<Recoveries>>,
    /// The stop signal of background tasks. Each of them holds a receiver while it runs, so that `closed` awaits them all.
    pub(super) stopping: watch::Sender<bool>,
}

impl NodeActors {
    /// Creates the shared values. Only the supervisor runs already.
    pub(super) fn assemble(settings: &Settings, backend: &Backend) -> Self {
        let metrics = Arc::new(Metrics::new());
        metrics.init_series(backend.engine.name());
        let arbiters = Arc::new(Arbiters::start(settings.shards));
        let failed = FailedActors::default();
        let supervisor =
            SupervisorActor::start_on(&arbiters.housekeeping(), Arc::clone(&metrics), failed.clone());
        let trust = backend.cluster.as_ref().map_or_else(Trust::always, |_| Trust::not_yet());
        let trust = Arc::new(trust);
        let publisher = PublisherInbox::new(Arc::clone(&metrics));
        let registry = Arc::new(CouponRegistry::new(
            Arc::clone(&backend.engine),
            backend.transport.as_ref().map(|_| publisher.clone()),
            supervisor.clone(),
            Arc::clone(&arbiters),
            Arc::clone(&metrics),
            AdmissionLimits { queue_limit: settings.queue_limit, engine_timeout: settings.request_timeout },
            Arc::clone(&trust),
        ));
        let reconciler = Reconciler::new(backend.reconcile_deps(), Arc::clone(&metrics));
        let membership = backend.cluster.as_ref().map(|cluster| {
            Membership::new(NodeId::random(), Arc::clone(cluster), Arc::clone(&backend.engine), trust)
        });
        let recoveries =
            backend.transport.as_ref().zip(membership.as_ref()).map(|(transport, membership)| {
                Recoveries::new(recovery_deps(membership, backend, transport, &metrics))
            });
        let stopping = watch::Sender::new(false);
        Self {
            metrics,
            arbiters,
            supervisor,
            failed,
            registry,
            publisher,
            reconciler,
            membership,
            recoveries,
            stopping,
        }
    }

    /// Starts the actors of the node's roles. Fails if the gates cannot be set to the state of the engine.
    pub(super) async fn start(&self, settings: &Settings, backend: &Backend) -> Result<(), StartError> {
        let has = |role| settings.roles.contains(&role);
        self.start_gate_keeper(backend).await?;
        self.start_heartbeat().await;
        self.start_metrics_sampler(settings, backend).await;
        if let Some(interval) = settings.reconcile_interval
            && has(Role::Reconciler)
        {
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

    async fn start_gate_keeper(&self, backend: &Backend) -> Result<(), StartError> {
        let deps = GateKeeperDeps {
            registry: Arc::clone(&self.registry),
            catalog: Arc::clone(&backend.catalog),
            engine: Arc::clone(&backend.engine),
            membership: self.membership.clone(),
            recoveries: self.recoveries.clone(),
            metrics: Arc::clone(&self.metrics),
        };
        deps.first_round().await?;
        let keeper = GateKeeperActor::child(deps, self.stopping.clone(), self.arbiters.housekeeping());
        self.supervise(keeper).await;
        Ok(())
    }

    async fn start_heartbeat(&self) {
        let Some(membership) = self.membership.clone() else { return };
        let deps = HeartbeatDeps {
            membership,
            recoveries: self.recoveries.clone(),
            registry: Arc::clone(&self.registry),
        };
        let child = HeartbeatActor::child(deps, self.stopping.clone(), self.arbiters.housekeeping());
        self.supervise(child).await;
    }

    async fn start_metrics_sampler(&self, settings: &Settings, backend: &Backend) {
        let stack = backend.transport.as_ref().map(|transport| SampledStack {
            postgres: Arc::clone(&transport.health_check),
            queues: Arc::<RabbitQueues>::clone(&transport.queues),
            outbox: Arc::clone(&transport.outbox),
            publisher: self.publisher.clone(),
        });
        let deps = MetricsSamplerDeps {
            registry: Arc::clone(&self.registry),
            metrics: Arc::clone(&self.metrics),
            engine: Arc::clone(&backend.engine),
            engine_service: settings.engine.service(),
            pools: backend.pools(),
            stack,
        };
        let child = MetricsSamplerActor::child(deps, self.stopping.clone(), self.arbiters.housekeeping());
        self.supervise(child).await;
    }

    async fn start_reconciler(&self, interval: Duration) {
        // Outlasts the pause between two runs, so that the same node keeps the lease.
        let lease = Lease::new("reconcile", interval * 2, self.membership.clone());
        let schedule = ReconcileSchedule { reconciler: self.reconciler.clone(), interval, lease };
        let child = ReconcilerActor::child(schedule, self.stopping.clone(), self.arbiters.housekeeping());
        self.supervise(child).await;
    }

    async fn start_publisher(&self, transport: &Transport) {
        let (bus, metrics) = (Arc::clone(&transport.bus), Arc::clone(&self.metrics));
        let arbiter = self.arbiters.of("publisher");
        self.supervise(PublisherActor::child(self.publisher.clone(), bus, metrics, arbiter)).await;
    }

    async fn start_sweep(&self, backend: &Backend, transport: &Transport) {
        let deps = SweepDeps {
            registry: Arc::clone(&self.registry),
            outbox: Arc::clone(&transport.outbox),
            store: Arc::clone(&backend.store),
            bus: Arc::clone(&transport.bus),
            publisher: self.publisher.clone(),
            metrics: Arc::clone(&self.metrics),
            lease: Lease::new("sweep", SWEEP_PERIOD, self.membership.clone()),
        };
        let child = OutboxActor::child(deps, self.stopping.clone(), self.arbiters.housekeeping());
        self.supervise(child).await;
    }

    async fn start_persisters(&self, count: usize, backend: &Backend, transport: &Transport) {
        // A single node has no recovery that reads the in-flight tracker: any tracker will do.
        let in_flight =
            self.membership.as_ref().map(|membership| membership.in_flight().clone()).unwrap_or_default();
        let outage = DatabaseOutage::default();
        for number in 1..=count {
            let deps = PersisterDeps {
                number,
                source: Arc::clone(&transport.source),
                queue: transport.issuances.clone(),
                store: Arc::clone(&backend.store),
                metrics: Arc::clone(&self.metrics),
                acks: self.publisher.acks().clone(),
                in_flight: in_flight.clone(),
                outage: outage.clone(),
            };
            let arbiter = self.arbiters.of(&deps.name());
            let child = PersisterActor::child(deps, self.stopping.clone(), arbiter);
            self.supervise(child).await;
        }
    }
}

fn recovery_deps(
    membership: &Arc<Membership>,
    backend: &Backend,
    transport: &Transport,
    metrics: &Arc<Metrics>,
) -> RecoveryDeps {
    RecoveryDeps {
        membership: Arc::clone(membership),
        engine: Arc::clone(&transport.recovery),
        catalog: Arc::clone(&backend.catalog),
        store: Arc::clone(&backend.store),
        lost: Arc::clone(&transport.lost),
        bus: Arc::clone(&transport.bus),
        metrics: Arc::clone(metrics),
    }
}
