//! One node: backend, actors and HTTP server, started in this order and stopped in reverse.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;

use super::backend::{Backend, StartError};
use super::node_actors::NodeActors;
use super::settings::Settings;
use super::shutdown::Deadline;
use crate::actors::issuing::{AckSources, Acks};
use crate::actors::runtime::{ActorAdmin, BeginShutdown};
use crate::actors::upkeep::CouponAdmin;
use crate::http::{self, AppState, Live, LiveSources, Operators, RateLimiter, ServerSettings};
use crate::ports::QueueWatch;

/// A running node.
pub struct Node {
    /// The bound address, with the real port.
    pub address: SocketAddr,
    pub backend: Backend,
    settings: Settings,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    draining: Arc<AtomicBool>,
    /// Closed at shutdown, because live streams never end by themselves.
    live: Live,
    actors: NodeActors,
}

impl Node {
    /// Connects, starts the actors and listens. Must be called inside an actix system.
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
        let roles = settings.roles_needed_elsewhere().join(",");
        if !roles.is_empty() {
            tracing::info!(
                roles,
                "this node lacks roles: its issuances reach the database only if other nodes have them"
            );
        }
        let place = settings.data_location();
        tracing::info!(%address, engine = backend.engine.name(), place, "openrun serves");
        Ok(Self { address, backend, settings, server, serving, draining, live, actors })
    }

    /// Whether the node answers members, and not only operators and probes.
    #[must_use]
    pub fn serves_api(&self) -> bool {
        self.settings.serves_api()
    }

    /// Answers the accepted requests, publishes the events in memory, and closes, all within the shutdown timeout.
    /// Unfinished issuances are safe: they are in the outbox or in the queue of the broker.
    pub async fn stop(self) {
        let deadline = Deadline::after(self.settings.shutdown_timeout);
        self.draining.store(true, Ordering::Relaxed);
        self.live.close();
        let stopped = self.server.stop(true);
        deadline.wait_for("open requests", stopped).await;
        self.serving.abort();
        deadline.wait_until("waiting members", || self.actors.registry.waiting() == 0).await;
        if self.backend.transport.is_some() {
            // While the broker is down, unpublished events stay in the outbox and are not waited for.
            let done = || self.actors.publisher.pending() == 0 || self.actors.publisher.is_failing();
            deadline.wait_until("unpublished events", done).await;
        }
        let _gone = self.actors.supervisor.send(BeginShutdown).await;
        self.actors.stopping.send_replace(true);
        deadline.wait_for("actors", self.actors.stopping.closed()).await;
        deadline.wait_for("connections", self.backend.close()).await;
        self.actors.arbiters.stop();
        tracing::info!("openrun has stopped");
    }
}

/// The state that all HTTP handlers share.
fn state(
    settings: &Settings,
    backend: &Backend,
    actors: &NodeActors,
    live: Live,
    draining: Arc<AtomicBool>,
) -> AppState {
    AppState {
        registry: Arc::clone(&actors.registry),
        coupons: CouponAdmin::new(
            Arc::clone(&backend.catalog),
            Arc::clone(&backend.engine),
            Arc::clone(&actors.registry),
            actors.membership.clone(),
        ),
        actors: ActorAdmin::new(actors.supervisor.clone(), actors.failed.clone()),
        lost_numbers: backend.transport.as_ref().map(|transport| Arc::clone(&transport.lost)),
        dead_letters: backend.transport.as_ref().map(|transport| Arc::clone(&transport.letters)),
        quarantine: Arc::clone(&backend.quarantine),
        engine: Arc::clone(&backend.engine),
        acks: acks(settings, backend, actors),
        metrics: Arc::clone(&actors.metrics),
        reconciler: actors.reconciler.clone(),
        rate_limiter: Arc::new(rate_limiter(settings, actors)),
        live,
        operators: Operators::new(settings.admin_token.clone()),
        request_timeout: settings.request_timeout,
        serves_api: settings.serves_api(),
        draining,
    }
}

fn rate_limiter(settings: &Settings, actors: &NodeActors) -> RateLimiter {
    RateLimiter::new(&settings.rate_limit, settings.trusted_proxies.clone(), Arc::clone(&actors.metrics))
}

/// The sources of the console's live streams.
fn live_sources(settings: &Settings, backend: &Backend, actors: &NodeActors) -> LiveSources {
    let transport = backend.transport.as_ref();
    LiveSources {
        registry: Arc::clone(&actors.registry),
        actors: ActorAdmin::new(actors.supervisor.clone(), actors.failed.clone()),
        engine: backend.engine.name(),
        serves_api: settings.serves_api(),
        outbox: transport.map(|transport| Arc::clone(&transport.outbox)),
        queues: transport.map(|transport| Arc::clone(&transport.queues) as Arc<dyn QueueWatch>),
        lost: transport.map(|transport| Arc::clone(&transport.lost)),
        quarantine: Arc::clone(&backend.quarantine),
    }
}

/// The waits for ack levels above `granted`. Without a transport the engine writes into the database itself, and nothing
/// remains to wait for.
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
        // Half of the time, so that waiting members, events and actors have the rest.
        shutdown_timeout: settings.shutdown_timeout / 2,
    };
    http::bind(&server, state).map_err(|cause| StartError::Bind { address: settings.bind, cause })
}
