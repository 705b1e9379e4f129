//! A TCP proxy between a node and a service, which can cut, hold, delay or swallow traffic.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ports::free_port;

const CHUNK_BYTES: usize = 64 * 1024;
const SWITCH_BOUND: Duration = Duration::from_secs(10);

/// Treatment of the traffic from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forwards both directions.
    Pass,
    /// Closes every connection and refuses new ones.
    Cut,
    /// Accepts connections and forwards nothing. Held data are forwarded when the mode changes.
    Hold,
    /// Forwards each chunk after this delay.
    Delay(Duration),
    /// Forwards requests and drops replies: the service works, and its client gets no answer. A connection with dropped
    /// replies is useless, so `Cut` should follow.
    SwallowReplies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Request,
    Reply,
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    swallowed_bytes: AtomicU64,
    open: AtomicU64,
}

/// Counts an open connection until it is dropped.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn one(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The handle. Dropping it closes the proxy and its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    /// The requested mode.
    mode: watch::Sender<Mode>,
    /// The mode in force; `Cut` and its end take a moment.
    applied: watch::Receiver<Mode>,
    /// Port of the service for new connections.
    target: Arc<AtomicU16>,
    counters: Arc<Counters>,
    listener: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free local port and forwards to `target_port` on this machine.
    pub async fn start(target_port: u16) -> Self {
        let port = free_port();
        let (mode, wanted) = watch::channel(Mode::Pass);
        // Counts as cut until it listens.
        let (report, applied) = watch::channel(Mode::Cut);
        let counters = Arc::new(Counters::default());
        let target = Arc::new(AtomicU16::new(target_port));
        let route = (Arc::clone(&target), Arc::clone(&counters));
        let listener = tokio::spawn(listen(port, wanted, report, route));
        let proxy = Self { port, mode, applied, target, counters, listener };
        proxy.set(Mode::Pass).await;
        proxy
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the mode, and returns when it is in force for every connection.
    pub async fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
        let mut applied = self.applied.clone();
        tokio::time::timeout(SWITCH_BOUND, applied.wait_for(|applied| *applied == mode))
            .await
            .expect("the proxy changes its mode in time")
            .expect("the proxy lives as long as its handle");
        if mode == Mode::Cut {
            // Waits until every connection has ended: one that is still open would miss a cut that is followed by
            // another mode.
            tokio::time::timeout(SWITCH_BOUND, self.until_none_is_open())
                .await
                .expect("the proxy closes its connections in time");
        }
    }

    async fn until_none_is_open(&self) {
        while self.counters.open.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Directs new connections to another local port; open ones stay.
    pub fn redirect_to(&self, target_port: u16) {
        self.target.store(target_port, Ordering::SeqCst);
    }

    /// Accepted connections so far.
    pub fn connections(&self) -> u64 {
        self.counters.connections.load(Ordering::SeqCst)
    }

    /// Dropped bytes of replies so far. More than 0 proves that the service has answered.
    pub fn swallowed_bytes(&self) -> u64 {
        self.counters.swallowed_bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections end with the sender of the mode.
        self.listener.abort();
    }
}

async fn listen(
    port: u16,
    mut mode: watch::Receiver<Mode>,
    applied: watch::Sender<Mode>,
    (target, counters): (Arc<AtomicU16>, Arc<Counters>),
) {
    let mut listener = None;
    loop {
        let wanted = *mode.borrow_and_update();
        if wanted == Mode::Cut {
            listener = None;
        } else if listener.is_none() {
            listener =
                Some(TcpListener::bind(("127.0.0.1", port)).await.expect("the proxy's port is still free"));
        }
        applied.send_replace(wanted);
        tokio::select! {
            changed = mode.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            accepted = accept(listener.as_ref()) => {
                counters.connections.fetch_add(1, Ordering::SeqCst);
                let target = SocketAddr::from(([127, 0, 0, 1], target.load(Ordering::SeqCst)));
                tokio::spawn(carry(accepted, target, mode.clone(), Arc::clone(&counters)));
            }
        }
    }
}

/// The next connection; pending forever without a listener.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    loop {
        match listener {
            None => std::future::pending().await,
            Some(listener) => {
                if let Ok((stream, _)) = listener.accept().await {
                    return stream;
                }
            }
        }
    }
}

/// Forwards both directions of a connection until both have ended, one fails, or the proxy is cut.
async fn carry(client: TcpStream, target: SocketAddr, mode: watch::Receiver<Mode>, counters: Arc<Counters>) {
    let _open = Open::one(&counters.open);
    let Ok(service) = TcpStream::connect(target).await else { return };
    // Forwards each chunk at once instead of collecting.
    client.set_nodelay(true).ok();
    service.set_nodelay(true).ok();
    let (from_client, to_client) = client.into_split();
    let (from_service, to_service) = service.into_split();
    let mut until_cut = mode.clone();
    tokio::select! {
        _ = until_cut.wait_for(|mode| *mode == Mode::Cut) => {}
        _ = async {
            tokio::try_join!(
                pump(from_client, to_service, Direction::Request, mode.clone(), &counters),
                pump(from_service, to_client, Direction::Reply, mode.clone(), &counters),
            )
        } => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    mut mode: watch::Receiver<Mode>,
    counters: &Counters,
) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        let mode = *mode.wait_for(|mode| *mode != Mode::Hold).await.map_err(std::io::Error::other)?;
        match mode {
            Mode::Cut => return Err(std::io::ErrorKind::ConnectionAborted.into()),
            Mode::Delay(delay) => tokio::time::sleep(delay).await,
            Mode::SwallowReplies if direction == Direction::Reply && length > 0 => {
                counters.swallowed_bytes.fetch_add(length as u64, Ordering::SeqCst);
                continue;
            }
            Mode::Pass | Mode::Hold | Mode::SwallowReplies => {}
        }
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}
