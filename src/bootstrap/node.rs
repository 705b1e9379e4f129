//! One node: actors, gate and HTTP over a backend, started in order and stopped in the reverse one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;

use super::backend::{Backend, StartError};
use super::node_actors::NodeActors;
use super::settings::{Role, Settings};
use super::shutdown::Deadline;
use crate::actors::issuing::{AckSources, Acks};
use crate::actors::runtime::{ActorAdmin, BeginShutdown};
use crate::actors::upkeep::CouponAdmin;
use crate::http::{self, AppState, Live, LiveSources, Operators, RateLimiter, ServerSettings};
use crate::ports::QueueWatch;

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
    /// Whose streams would otherwise never end by themselves.
    live: Live,
    actors: NodeActors,
}

impl Node {
    /// Connects, starts every actor, and listens. Must be called inside an actix system.
    ///
    /// # Errors
    /// [`StartError`], one sentence that says what to do.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        settings.check()?;
        let backend = Backend::connect(&settings).await?;
        let actors = NodeActors::assemble(&settings, &backend);
        actors.start(&settings, &backend).await?;
        let draining = Arc::new(AtomicBool::new(false));
        let live = Live::start(live_sources(&settings, &backend, &actors));
        let state = state(&settings, &backend, &actors, live.clone(), Arc::clone(&draining));
        let bound = listen(&settings, state)?;
        let server = bound.server.handle();
        let serving = tokio::spawn(bound.server);
        let address = bound.address;
        let roles = settings.left_to_others().join(",");
        if !roles.is_empty() {
            tracing::info!(
                roles,
                "what this node issues reaches the database, whatever dies, only with nodes that have these roles"
            );
        }
        tracing::info!(%address, engine = backend.engine.name(), place = settings.place(), "openrun serves");
        Ok(Self { address, backend, settings, server, serving, draining, live, actors })
    }

    /// Whether it answers members, and not only operators and probes.
    #[must_use]
    pub fn serves_api(&self) -> bool {
        serves_api(&self.settings, &self.backend)
    }

    /// Stops: answers what was accepted, publishes what is in hand, and closes; all within the shutdown timeout.
    /// What is not done by then is safe: it is in the outbox or the queue.
    pub async fn stop(self) {
        let deadline = Deadline::after(self.settings.shutdown_timeout);
        self.draining.store(true, Ordering::Relaxed);
        self.live.close();
        let stopped = self.server.stop(true);
        deadline.wait_for("open requests", stopped).await;
        self.serving.abort();
        deadline.wait_until("members who wait", || self.actors.registry.waiting() == 0).await;
        if self.backend.transport.is_some() {
            // What a broker that is away does not take now stays in the outbox.
            let done = || self.actors.publisher.pending() == 0 || self.actors.publisher.is_failing();
            deadline.wait_until("events to be published", done).await;
        }
        let _gone = self.actors.supervisor.send(BeginShutdown).await;
        self.actors.stopping.send_replace(true);
        deadline.wait_for("actors", self.actors.stopping.closed()).await;
        deadline.wait_for("connections", self.backend.close()).await;
        self.actors.shards.stop();
        tracing::info!("openrun has stopped");
    }
}

/// Whether members are answered. A node without others has nothing else to do.
fn serves_api(settings: &Settings, backend: &Backend) -> bool {
    backend.cluster.is_none() || settings.roles.contains(&Role::Api)
}

/// What every handler shares.
fn state(
    settings: &Settings,
    backend: &Backend,
    actors: &NodeActors,
    live: Live,
    draining: Arc<AtomicBool>,
) -> AppState {
    let desk = CouponAdmin::new(
        Arc::clone(&backend.catalog),
        Arc::clone(&backend.engine),
        Arc::clone(&actors.registry),
        actors.peers.clone(),
    );
    AppState {
        registry: Arc::clone(&actors.registry),
        desk,
        actors: ActorAdmin::new(actors.supervisor.clone(), actors.failed.clone()),
        lost: backend.transport.as_ref().map(|transport| Arc::clone(&transport.lost)),
        letters: backend.transport.as_ref().map(|transport| Arc::clone(&transport.letters)),
        quarantine: Arc::clone(&backend.quarantine),
        engine: Arc::clone(&backend.engine),
        acks: acks(settings, backend, actors),
        metrics: Arc::clone(&actors.metrics),
        reconciler: actors.reconciler.clone(),
        limits: Arc::new(limits(settings, actors)),
        live,
        operators: Operators::new(settings.admin_token.clone()),
        request_timeout: settings.request_timeout,
        serves_api: serves_api(settings, backend),
        draining,
    }
}

fn limits(settings: &Settings, actors: &NodeActors) -> RateLimiter {
    RateLimiter::new(&settings.rate_limit, settings.trusted_proxies.clone(), Arc::clone(&actors.metrics))
}

/// What operators watch.
fn live_sources(settings: &Settings, backend: &Backend, actors: &NodeActors) -> LiveSources {
    let transport = backend.transport.as_ref();
    LiveSources {
        registry: Arc::clone(&actors.registry),
        actors: ActorAdmin::new(actors.supervisor.clone(), actors.failed.clone()),
        engine: backend.engine.name(),
        serves_api: serves_api(settings, backend),
        outbox: transport.map(|transport| Arc::clone(&transport.outbox)),
        queues: transport.map(|transport| Arc::clone(&transport.queues) as Arc<dyn QueueWatch>),
        lost: transport.map(|transport| Arc::clone(&transport.lost)),
        quarantine: Arc::clone(&backend.quarantine),
    }
}

/// Levels beyond the engine's word are waited for only where there is a way between engine and database.
fn acks(settings: &Settings, backend: &Backend, actors: &NodeActors) -> Acks {
    let sources = backend
        .transport
        .as_ref()
        .map(|_| AckSources { publisher: actors.publisher.clone(), store: Arc::clone(&backend.store) });
    Acks::new(settings.ack, sources, Arc::clone(&actors.metrics))
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
