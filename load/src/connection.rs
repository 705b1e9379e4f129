//! One keep-alive HTTP/1.1 connection, which reconnects by itself and bounds every request in time and size.
//!
//! The connection is driven by the task that asks, not by a task of its own: a request then costs no wake-up across
//! threads, which on a small machine would be most of its price.

use std::{
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};

use crate::target::Target;

/// How long a request may take, connecting included, unless told otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read: an issuance takes a few hundred bytes.
pub const BODY_LIMIT_BYTES: usize = 64 * 1024;

type Driver = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// A complete answer.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// `Retry-After`, where it was given in seconds.
    pub retry_after: Option<Duration>,
    /// The body, at most [`BODY_LIMIT_BYTES`] long.
    pub body: Bytes,
}

/// Why there is no answer. Apart from `Unreachable`, the request may have been carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection, so nothing was sent.
    #[error("cannot connect: {0}")]
    Unreachable(#[source] io::Error),
    /// The connection went away, or spoke something else than HTTP, before the answer was complete.
    #[error("the connection was lost before the answer was complete: {0}")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The bound passed.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
}

/// A connection to a [`Target`], opened when it is first needed and again whenever it was closed.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    timeout: Duration,
    /// The local address that it comes from; the system chooses without one.
    source: Option<IpAddr>,
    open_count: u32,
    /// Taken out while a request is under way: a request that is dropped half-way takes its connection with it, and the
    /// next one can never read the answer of the last.
    live: Option<Live>,
}

#[derive(Debug)]
struct Live {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    /// A driver that has finished must not be polled again.
    ended: bool,
}

impl Connection {
    /// A connection that is not open yet.
    pub fn new(target: Target, timeout: Duration) -> Self {
        Self { target, timeout, source: None, open_count: 0, live: None }
    }

    /// The same, coming from this local address.
    #[must_use]
    pub fn with_source_address(self, source: Option<IpAddr>) -> Self {
        Self { source, ..self }
    }

    /// How often it has been opened, successfully or not: more than once, if it was lost or closed in between.
    #[must_use]
    pub fn open_count(&self) -> u32 {
        self.open_count
    }

    /// Opens the connection now, so that the first request does not have to.
    pub async fn open(&mut self) -> Result<(), RequestError> {
        self.open_count += 1;
        let opening = tokio::time::timeout(self.timeout, Live::open(&self.target, self.source)).await;
        self.live = Some(opening.map_err(|_| RequestError::TimedOut(self.timeout))??);
        Ok(())
    }

    /// Sends one request and reads the whole answer, within the bound. It is never sent twice.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, RequestError> {
        let bound = self.timeout;
        let asking = tokio::time::timeout(bound, self.send_unbounded(request));
        asking.await.unwrap_or(Err(RequestError::TimedOut(bound)))
    }

    async fn send_unbounded(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, RequestError> {
        let kept = match self.live.take() {
            Some(mut live) => live.is_usable().await.then_some(live),
            None => None,
        };
        let mut live = match kept {
            Some(live) => live,
            None => {
                self.open_count += 1;
                Live::open(&self.target, self.source).await?
            }
        };
        let reply = live.exchange(request).await?;
        if !live.ended {
            self.live = Some(live);
        }
        Ok(reply)
    }
}

impl Live {
    async fn open(target: &Target, source: Option<IpAddr>) -> Result<Self, RequestError> {
        let stream = connect(target.addr(), source).await.map_err(RequestError::Unreachable)?;
        stream.set_nodelay(true).map_err(RequestError::Unreachable)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, driver) = handshake.map_err(|e| RequestError::Unreachable(io::Error::other(e)))?;
        Ok(Self { sender, driver, ended: false })
    }

    /// Whether the server has kept the connection open since the last answer. The driver is polled first, because only
    /// it notices that the other side has hung up.
    async fn is_usable(&mut self) -> bool {
        self.ended = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.driver).poll(cx).is_ready())).await;
        if self.ended {
            return false;
        }
        let Self { sender, driver, ended } = self;
        matches!(drive(driver, ended, sender.ready()).await, Some(Ok(())))
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, RequestError> {
        let Self { sender, driver, ended } = self;
        let answer = drive(driver, ended, async {
            let response = sender.send_request(request).await.map_err(|e| RequestError::Lost(e.into()))?;
            read(response).await
        });
        answer.await.unwrap_or_else(|| Err(RequestError::Lost("the connection ended".into())))
    }
}

async fn connect(to: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(to).await };
    let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(to).await
}

/// Polls `work` and the connection it depends on, in one task. `None`: the connection ended, and `work` never will.
async fn drive<F: Future>(driver: &mut Driver, ended: &mut bool, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        *ended = Pin::new(&mut *driver).poll(cx).is_ready();
        // The driver may just have brought what the work waits for: asking at once saves a round through the scheduler.
        match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if *ended => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn read(response: Response<Incoming>) -> Result<Reply, RequestError> {
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body =
        Limited::new(response.into_body(), BODY_LIMIT_BYTES).collect().await.map_err(RequestError::Lost)?;
    Ok(Reply { status, retry_after: retry_after.map(Duration::from_secs), body: body.to_bytes() })
}
