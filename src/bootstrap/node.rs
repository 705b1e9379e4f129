//! One node: actors, gate and HTTP over a backend, started in order and stopped in the reverse one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;

use super::backend::{Backend, StartError};
use super::crew::Crew;
use super::settings::{Role, Settings};
use super::shutdown::Deadline;
use crate::actors::{AckSources, Acks, ActorDesk, CouponDesk, StandDown};
use crate::http::{self, AppState, Limits, Live, LiveSources, Operators, ServerSettings};
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
    crew: Crew,
}

impl Node {
    /// Connects, starts every actor, and listens. Must be called inside an actix system.
    ///
    /// # Errors
    /// [`StartError`], one sentence that says what to do.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        settings.check()?;
        let backend = Backend::connect(&settings).await?;
        let crew = Crew::assemble(&settings, &backend);
        crew.start(&settings, &backend).await?;
        let draining = Arc::new(AtomicBool::new(false));
        let live = Live::start(live_sources(&settings, &backend, &crew));
        let state = state(&settings, &backend, &crew, live.clone(), Arc::clone(&draining));
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
        Ok(Self { address, backend, settings, server, serving, draining, live, crew })
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
        deadline.wait_until("members who wait", || self.crew.registry.waiting() == 0).await;
        if self.backend.transport.is_some() {
            // What a broker that is away does not take now stays in the outbox.
            let done = || self.crew.publisher.at_hand() == 0 || self.crew.publisher.is_failing();
            deadline.wait_until("events to be published", done).await;
        }
        let _gone = self.crew.supervisor.send(StandDown).await;
        self.crew.stopping.send_replace(true);
        deadline.wait_for("actors", self.crew.stopping.closed()).await;
        deadline.wait_for("connections", self.backend.close()).await;
        self.crew.shards.stop();
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
    crew: &Crew,
    live: Live,
    draining: Arc<AtomicBool>,
) -> AppState {
    let desk = CouponDesk::new(
        Arc::clone(&backend.catalog),
        Arc::clone(&backend.engine),
        Arc::clone(&crew.registry),
        crew.peers.clone(),
    );
    AppState {
        registry: Arc::clone(&crew.registry),
        desk,
        actors: ActorDesk::new(crew.supervisor.clone(), crew.failed.clone()),
        lost: backend.transport.as_ref().map(|transport| Arc::clone(&transport.lost)),
        letters: backend.transport.as_ref().map(|transport| Arc::clone(&transport.letters)),
        quarantine: Arc::clone(&backend.quarantine),
        engine: Arc::clone(&backend.engine),
        acks: acks(settings, backend, crew),
        metrics: Arc::clone(&crew.metrics),
        reconciler: crew.reconciler.clone(),
        limits: Arc::new(limits(settings, crew)),
        live,
        operators: Operators::new(settings.admin_token.clone()),
        request_timeout: settings.request_timeout,
        serves_api: serves_api(settings, backend),
        draining,
    }
}

fn limits(settings: &Settings, crew: &Crew) -> Limits {
    Limits::new(&settings.rate_limit, settings.trusted_proxies.clone(), Arc::clone(&crew.metrics))
}

/// What operators watch.
fn live_sources(settings: &Settings, backend: &Backend, crew: &Crew) -> LiveSources {
    let transport = backend.transport.as_ref();
    LiveSources {
        registry: Arc::clone(&crew.registry),
        actors: ActorDesk::new(crew.supervisor.clone(), crew.failed.clone()),
        engine: backend.engine.name(),
        serves_api: serves_api(settings, backend),
        outbox: transport.map(|transport| Arc::clone(&transport.outbox)),
        queues: transport.map(|transport| Arc::clone(&transport.queues) as Arc<dyn QueueWatch>),
        lost: transport.map(|transport| Arc::clone(&transport.lost)),
        quarantine: Arc::clone(&backend.quarantine),
    }
}

/// Levels beyond the engine's word are waited for only where there is a way between engine and database.
fn acks(settings: &Settings, backend: &Backend, crew: &Crew) -> Acks {
    let sources = backend
        .transport
        .as_ref()
        .map(|_| AckSources { publisher: crew.publisher.clone(), store: Arc::clone(&backend.store) });
    Acks::new(settings.ack, sources, Arc::clone(&crew.metrics))
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
