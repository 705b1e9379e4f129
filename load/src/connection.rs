//! One keep-alive HTTP/1.1 connection that reconnects by itself and bounds every request in time and size.
//!
//! The task that sends a request also drives the connection. A request then needs no wake-up across threads,
//! which would be most of its cost on a small machine.

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

/// The default limit on a request, connecting included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest body that is read; an issuance takes a few hundred bytes.
pub const BODY_LIMIT_BYTES: usize = 64 * 1024;

type Driver = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// A complete response.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    /// Only read where it is given in seconds.
    pub retry_after: Option<Duration>,
    /// At most [`BODY_LIMIT_BYTES`] long.
    pub body: Bytes,
}

/// The reason why there is no response. The request may have been carried out, except after `Unreachable`.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection, so nothing was sent.
    #[error("cannot connect: {0}")]
    Unreachable(#[source] io::Error),
    /// The connection ended, or carried something else than HTTP, before the response was complete.
    #[error("the connection was lost before the answer was complete: {0}")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
}

/// A connection to a [`Target`]. The first request opens it, and any later one that finds it closed.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    timeout: Duration,
    /// The local address to connect from; without one, the system chooses.
    source: Option<IpAddr>,
    open_count: u32,
    /// Taken out during a request: a request that is dropped half-way drops its connection, too, so that the
    /// next request cannot read the response of the last.
    open_connection: Option<OpenConnection>,
}

#[derive(Debug)]
struct OpenConnection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    /// A driver that has finished must not be polled again.
    ended: bool,
}

impl Connection {
    pub fn new(target: Target, timeout: Duration) -> Self {
        Self { target, timeout, source: None, open_count: 0, open_connection: None }
    }

    #[must_use]
    pub fn with_source_address(self, source: Option<IpAddr>) -> Self {
        Self { source, ..self }
    }

    /// Counts failed attempts, too. More than one if the connection was lost or closed in between.
    #[must_use]
    pub fn open_count(&self) -> u32 {
        self.open_count
    }

    /// Opens the connection ahead of the first request.
    pub async fn open(&mut self) -> Result<(), RequestError> {
        self.open_count += 1;
        let opening =
            tokio::time::timeout(self.timeout, OpenConnection::open(&self.target, self.source)).await;
        self.open_connection = Some(opening.map_err(|_| RequestError::TimedOut(self.timeout))??);
        Ok(())
    }

    /// Sends one request and reads the whole response, within the timeout. It never sends a request twice.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, RequestError> {
        let timeout = self.timeout;
        let reply = tokio::time::timeout(timeout, self.send_unbounded(request)).await;
        reply.unwrap_or(Err(RequestError::TimedOut(timeout)))
    }

    async fn send_unbounded(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, RequestError> {
        let reusable = match self.open_connection.take() {
            Some(mut open_connection) => open_connection.is_usable().await.then_some(open_connection),
            None => None,
        };
        let mut open_connection = match reusable {
            Some(open_connection) => open_connection,
            None => {
                self.open_count += 1;
                OpenConnection::open(&self.target, self.source).await?
            }
        };
        let reply = open_connection.exchange(request).await?;
        if !open_connection.ended {
            self.open_connection = Some(open_connection);
        }
        Ok(reply)
    }
}

impl OpenConnection {
    async fn open(target: &Target, source: Option<IpAddr>) -> Result<Self, RequestError> {
        let stream = connect(target.addr(), source).await.map_err(RequestError::Unreachable)?;
        stream.set_nodelay(true).map_err(RequestError::Unreachable)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, driver) = handshake.map_err(|e| RequestError::Unreachable(io::Error::other(e)))?;
        Ok(Self { sender, driver, ended: false })
    }

    /// Whether the server has kept the connection open since the last response. Polls the driver first,
    /// because only the driver notices that the server has closed it.
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

/// Polls `work` and the connection that it depends on in one task. `None` if the connection ended, so that
/// `work` cannot.
async fn drive<F: Future>(driver: &mut Driver, ended: &mut bool, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        *ended = Pin::new(&mut *driver).poll(cx).is_ready();
        // The driver may just have read what `work` waits for: polling again saves a round through the
        // scheduler.
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
