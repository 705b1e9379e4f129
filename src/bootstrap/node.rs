//! One node: actors, gate and HTTP over a backend, started in order and stopped in the reverse one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::Addr;
use actix_web::dev::ServerHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::backend::{Backend, StartError, Transport};
use super::settings::{Role, Settings};
use super::shutdown::Deadline;
use crate::actors::{
    AckSources, Acks, CouponDesk, CouponRegistry, GateKeeperActor, Limits, OutboxActor, Peers,
    PersisterActor, PresenceActor, PublisherActor, PublisherInbox, Reconciler, ReconcilerActor, Recoveries,
    RecoveryParts, Right, Shards, StandDown, Supervise, SupervisorActor, SweepParts,
};
use crate::gate::Trust;
use crate::http::{self, AppState, Operators, ServerSettings};
use crate::ports::NodeId;
use crate::telemetry::Metrics;

/// A node that serves.
pub struct Node {
    /// Where it listens.
    pub address: SocketAddr,
    /// What stands behind it.
    pub backend: Backend,
    settings: Settings,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    draining: Arc<AtomicBool>,
    publisher: PublisherInbox,
    registry: Arc<CouponRegistry>,
    supervisor: Addr<SupervisorActor>,
    /// Tells long-running actors to finish; its receivers are those that live.
    stopping: watch::Sender<bool>,
    shards: Arc<Shards>,
}

impl Node {
    /// Connects, starts every actor, and listens. Must be called inside an actix system.
    ///
    /// # Errors
    /// [`StartError`], one sentence that says what to do.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        settings.check()?;
        let backend = Backend::connect(&settings).await?;
        let metrics = Arc::new(Metrics::new());
        let shards = Arc::new(Shards::start(settings.shards));
        let supervisor = SupervisorActor::start_on(&shards.housekeeping(), Arc::clone(&metrics));
        let trust = backend.transport.as_ref().map_or_else(Trust::always, |_| Trust::not_yet());
        let trust = Arc::new(trust);
        let publisher = PublisherInbox::new(Arc::clone(&metrics));
        let registry = Arc::new(CouponRegistry::new(
            Arc::clone(&backend.engine),
            backend.transport.as_ref().map(|_| publisher.clone()),
            supervisor.clone(),
            Arc::clone(&shards),
            Arc::clone(&metrics),
            Limits { queue_limit: settings.queue_limit, engine_timeout: settings.request_timeout },
            Arc::clone(&trust),
        ));
        let stopping = watch::Sender::new(false);
        let node = NodeId::random();
        let crew = Crew {
            settings: &settings,
            supervisor: &supervisor,
            shards: &shards,
            metrics: &metrics,
            node: &node,
        };
        let peers = backend.transport.as_ref().map(|transport| {
            let (cluster, engine) = (Arc::clone(&transport.cluster), Arc::clone(&transport.recovery));
            Peers::new(node.clone(), cluster, engine, trust)
        });
        let recoveries = backend.transport.as_ref().zip(peers.as_ref()).map(|(transport, peers)| {
            Recoveries::new(recovery_parts(Arc::clone(peers), &backend, transport, &metrics))
        });
        crew.start_gate_keeper(&backend, &registry, peers.clone(), recoveries.clone(), &stopping).await?;
        if let Some((peers, recoveries)) = peers.clone().zip(recoveries) {
            crew.start_presence(peers, recoveries, &registry, &stopping).await;
        }
        let reconciler = Reconciler::new(backend.reconcile_parts(), Arc::clone(&metrics));
        crew.start_reconciler(&reconciler, &backend, &stopping).await;
        if let Some(transport) = &backend.transport {
            crew.start_transport(&backend, transport, &registry, &publisher, &stopping).await;
        }
        let draining = Arc::new(AtomicBool::new(false));
        let state = AppState {
            registry: Arc::clone(&registry),
            desk: CouponDesk::new(
                Arc::clone(&backend.catalog),
                Arc::clone(&backend.engine),
                Arc::clone(&registry),
                peers,
            ),
            engine: Arc::clone(&backend.engine),
            acks: acks(&settings, &backend, &publisher, &metrics),
            metrics: Arc::clone(&metrics),
            reconciler,
            operators: Operators::new(settings.admin_token.clone()),
            request_timeout: settings.request_timeout,
            // The embedded engine has nothing else to do.
            serves_api: backend.transport.is_none() || settings.roles.contains(&Role::Api),
            draining: Arc::clone(&draining),
        };
        let bound = listen(&settings, state)?;
        let server = bound.server.handle();
        let serving = tokio::spawn(bound.server);
        let address = bound.address;
        let roles = settings.left_to_others().join(",");
        if !roles.is_empty() {
            tracing::info!(
                roles,
                "what this node issues stays in the outbox until a node with these roles runs"
            );
        }
        tracing::info!(%address, engine = backend.engine.name(), place = %backend.place(&settings), "openrun serves");
        Ok(Self {
            address,
            backend,
            settings,
            server,
            serving,
            draining,
            publisher,
            registry,
            supervisor,
            stopping,
            shards,
        })
    }

    /// Stops: answers what was accepted, publishes what is in hand, and closes; all within the shutdown timeout.
    /// What is not done by then is safe: it is in the outbox or the queue.
    pub async fn stop(self) {
        let deadline = Deadline::after(self.settings.shutdown_timeout);
        self.draining.store(true, Ordering::Relaxed);
        let stopped = self.server.stop(true);
        deadline.wait_for("open requests", stopped).await;
        self.serving.abort();
        deadline.wait_until("members who wait", || self.registry.waiting() == 0).await;
        if self.backend.transport.is_some() {
            // What a broker that is away does not take now stays in the outbox.
            let done = || self.publisher.at_hand() == 0 || self.publisher.is_failing();
            deadline.wait_until("events to be published", done).await;
        }
        let _gone = self.supervisor.send(StandDown).await;
        self.stopping.send_replace(true);
        deadline.wait_for("actors", self.stopping.closed()).await;
        deadline.wait_for("connections", self.backend.close()).await;
        self.shards.stop();
        tracing::info!("openrun has stopped");
    }
}

/// Levels beyond the engine's word are waited for only where there is a way between engine and database.
fn acks(settings: &Settings, backend: &Backend, publisher: &PublisherInbox, metrics: &Arc<Metrics>) -> Acks {
    let sources = backend
        .transport
        .as_ref()
        .map(|_| AckSources { publisher: publisher.clone(), store: Arc::clone(&backend.store) });
    Acks::new(settings.ack, sources, Arc::clone(metrics))
}

fn listen(settings: &Settings, state: AppState) -> Result<http::BoundServer, StartError> {
    let server = ServerSettings {
        bind: settings.bind,
        workers: settings.workers,
        max_connections: settings.max_connections,
        // Whole seconds, and one less than everything may take, so that the rest has time as well.
        shutdown_timeout: settings.shutdown_timeout / 2,
    };
    http::bind(&server, state).map_err(|cause| StartError::Bind { address: settings.bind, cause })
}

fn recovery_parts(
    peers: Arc<Peers>,
    backend: &Backend,
    transport: &Transport,
    metrics: &Arc<Metrics>,
) -> RecoveryParts {
    RecoveryParts {
        peers,
        engine: Arc::clone(&transport.recovery),
        catalog: Arc::clone(&backend.catalog),
        store: Arc::clone(&backend.store),
        bus: Arc::clone(&transport.bus),
        metrics: Arc::clone(metrics),
    }
}

/// What it takes to start the node's single actors.
struct Crew<'a> {
    settings: &'a Settings,
    supervisor: &'a Addr<SupervisorActor>,
    shards: &'a Shards,
    metrics: &'a Arc<Metrics>,
    node: &'a NodeId,
}

impl Crew<'_> {
    async fn supervise(&self, child: impl crate::actors::Child + 'static) {
        // The supervisor was started a moment ago and cannot be gone.
        let _gone = self.supervisor.send(Supervise(Box::new(child))).await;
    }

    async fn start_gate_keeper(
        &self,
        backend: &Backend,
        registry: &Arc<CouponRegistry>,
        peers: Option<Arc<Peers>>,
        recoveries: Option<Arc<Recoveries>>,
        stopping: &watch::Sender<bool>,
    ) -> Result<(), StartError> {
        let keeper = GateKeeperActor::child(
            Arc::clone(registry),
            Arc::clone(&backend.catalog),
            Arc::clone(&backend.engine),
            peers,
            recoveries,
            Arc::clone(self.metrics),
            stopping.clone(),
            self.shards.housekeeping(),
        );
        keeper.first_round().await?;
        self.supervise(keeper).await;
        Ok(())
    }

    async fn start_reconciler(
        &self,
        reconciler: &Reconciler,
        backend: &Backend,
        stopping: &watch::Sender<bool>,
    ) {
        let Some(interval) = self.settings.reconcile_interval else { return };
        if self.settings.roles.contains(&Role::Reconciler) {
            let (reconciler, arbiter) = (reconciler.clone(), self.shards.housekeeping());
            let right = backend
                .transport
                .as_ref()
                .map(|transport| Right::new("reconcile", Arc::clone(&transport.cluster), self.node.clone()));
            self.supervise(ReconcilerActor::child(reconciler, interval, right, stopping.clone(), arbiter))
                .await;
        }
    }

    async fn start_presence(
        &self,
        peers: Arc<Peers>,
        recoveries: Arc<Recoveries>,
        registry: &Arc<CouponRegistry>,
        stopping: &watch::Sender<bool>,
    ) {
        let (registry, arbiter) = (Arc::clone(registry), self.shards.housekeeping());
        self.supervise(PresenceActor::child(peers, recoveries, registry, stopping.clone(), arbiter)).await;
    }

    async fn start_transport(
        &self,
        backend: &Backend,
        transport: &Transport,
        registry: &Arc<CouponRegistry>,
        publisher: &PublisherInbox,
        stopping: &watch::Sender<bool>,
    ) {
        let has = |role| self.settings.roles.contains(&role);
        if has(Role::Api) || has(Role::Publisher) {
            let (bus, metrics) = (Arc::clone(&transport.bus), Arc::clone(self.metrics));
            let child = PublisherActor::child(publisher.clone(), bus, metrics, self.shards.of("publisher"));
            self.supervise(child).await;
        }
        if has(Role::Publisher) {
            let parts = SweepParts {
                registry: Arc::clone(registry),
                outbox: Arc::clone(&transport.outbox),
                store: Arc::clone(&backend.store),
                bus: Arc::clone(&transport.bus),
                publisher: publisher.clone(),
                metrics: Arc::clone(self.metrics),
                right: Right::new("sweep", Arc::clone(&transport.cluster), self.node.clone()),
            };
            let child = OutboxActor::child(parts, stopping.clone(), self.shards.housekeeping());
            self.supervise(child).await;
        }
        if has(Role::Persister) {
            for number in 1..=self.settings.persisters {
                let child = PersisterActor::child(
                    number,
                    Arc::clone(&transport.source),
                    Arc::clone(&backend.store),
                    Arc::clone(self.metrics),
                    publisher.acks().clone(),
                    stopping.clone(),
                    self.shards.of(&format!("persister/{number}")),
                );
                self.supervise(child).await;
            }
        }
    }
}
