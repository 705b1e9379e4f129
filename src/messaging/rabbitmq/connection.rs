//! A connection to the broker with bounded waits, which can be cut at its socket.

use std::future::Future;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{ConfirmSelectOptions, QueueDeclareOptions};
use lapin::tcp::TLSConfig;
use lapin::types::FieldTable;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::errors::{self, BrokerError};
use super::settings::RabbitSettings;
use super::topology::{self, Topology};
use crate::sync::Locked;

/// Bound of closing a connection in order.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The socket of a connection. The client's thread ends only when the broker answers or the socket closes: without the
/// cut, a frozen broker would cost one thread and one socket for every attempt.
#[derive(Debug, Default)]
struct Socket(Locked<Option<TcpStream>>);

impl Socket {
    fn set(&self, stream: TcpStream) {
        *self.0.lock() = Some(stream);
    }

    fn cut(&self) {
        if let Some(stream) = self.0.lock().take() {
            // Fails if the connection has ended already.
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

/// Cuts the socket if connecting fails or is cancelled.
struct CutOnDrop(Option<Arc<Socket>>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take() {
            socket.cut();
        }
    }
}

/// An open connection. Dropping it closes the connection in the background.
#[derive(Debug)]
pub(super) struct Session {
    connection: Option<Connection>,
    socket: Arc<Socket>,
    pub(super) topology: Topology,
    pub(super) reply_timeout: Duration,
}

impl Session {
    /// Connects under the connection name `name` and declares the topology.
    pub(super) async fn open(settings: &RabbitSettings, name: &str) -> Result<Self, BrokerError> {
        Self::begin(settings, name, true).await
    }

    /// Connects under the connection name `name` and changes nothing on the broker.
    pub(super) async fn open_undeclared(settings: &RabbitSettings, name: &str) -> Result<Self, BrokerError> {
        Self::begin(settings, name, false).await
    }

    async fn begin(settings: &RabbitSettings, name: &str, declare: bool) -> Result<Self, BrokerError> {
        let uri = parse(settings)?;
        let socket = Arc::new(Socket::default());
        let mut guard = CutOnDrop(Some(Arc::clone(&socket)));
        let opened = within(settings.connect_timeout(), "connecting", async {
            let connected = connect(uri.clone(), name, Arc::clone(&socket)).await;
            let connection = connected.map_err(|error| errors::connecting(&error, &uri))?;
            let topology = Topology::new(settings.namespace.clone());
            if declare {
                topology::declare(&connection.create_channel().await?, &topology).await?;
            }
            Ok((connection, topology))
        });
        let (connection, topology) = opened.await?;
        guard.0 = None;
        Ok(Self { connection: Some(connection), socket, topology, reply_timeout: settings.reply_timeout() })
    }

    /// Opens a channel.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        let Some(connection) = &self.connection else { return Err(BrokerError::Closed) };
        self.bounded("opening a channel", connection.create_channel()).await
    }

    /// Opens a channel in confirm mode.
    pub(super) async fn confirming_channel(&self) -> Result<Channel, BrokerError> {
        let channel = self.channel().await?;
        let confirming = channel.confirm_select(ConfirmSelectOptions::default());
        self.bounded("switching confirms on", confirming).await?;
        Ok(channel)
    }

    /// Waits for the broker's answer to `what`, within the reply timeout.
    pub(super) async fn bounded<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, BrokerError> {
        within(self.reply_timeout, what, async { answer.await.map_err(BrokerError::from) }).await
    }

    /// Messages in the queue of issuances, without those in flight to consumers.
    pub(super) async fn backlog(&self, channel: &Channel) -> Result<u64, BrokerError> {
        self.messages(channel, &self.topology.issuances(), "reading the queue length").await
    }

    /// Messages in the dead-letter queue, without those that an operator's call holds.
    pub(super) async fn dead_letters(&self, channel: &Channel) -> Result<u64, BrokerError> {
        self.messages(channel, &self.topology.dead_letters(), "counting the dead letters").await
    }

    async fn messages(&self, channel: &Channel, queue: &str, what: &'static str) -> Result<u64, BrokerError> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.into(), options, FieldTable::default());
        Ok(u64::from(self.bounded(what, declared).await?.message_count()))
    }

    /// False once the client has noticed a failure.
    pub(super) fn is_open(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.status().connected())
    }

    /// Closes the connection in order.
    pub(super) async fn close(&self) -> Result<(), BrokerError> {
        let Some(connection) = &self.connection else { return Ok(()) };
        self.bounded("closing the connection", connection.close(200, "goodbye".into())).await
    }

    /// Ends the connection at once, without the closing handshake, which a failed broker may never answer.
    pub(super) fn cut(&self) {
        self.socket.cut();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let (connection, socket) = (self.connection.take(), Arc::clone(&self.socket));
        match (connection, tokio::runtime::Handle::try_current()) {
            (Some(connection), Ok(runtime)) => {
                runtime.spawn(async move {
                    let closed = connection.close(200, "goodbye".into());
                    timeout(CLOSE_TIMEOUT, closed).await.ok();
                    socket.cut();
                });
            }
            _ => socket.cut(),
        }
    }
}

/// Runs `work`, or fails with [`BrokerError::TimedOut`] after `bound`.
pub(super) async fn within<T>(
    bound: Duration,
    what: &'static str,
    work: impl Future<Output = Result<T, BrokerError>>,
) -> Result<T, BrokerError> {
    timeout(bound, work).await.unwrap_or_else(|_| Err(timed_out(bound, what)))
}

/// The error of a wait for `what` that exceeded `bound`.
pub(super) fn timed_out(bound: Duration, what: &'static str) -> BrokerError {
    BrokerError::TimedOut { what, after_ms: u64::try_from(bound.as_millis()).unwrap_or(u64::MAX) }
}

fn parse(settings: &RabbitSettings) -> Result<AMQPUri, BrokerError> {
    let url = settings.url.expose_secret();
    let invalid = |reason: &str| BrokerError::InvalidUrl(reason.to_owned());
    let parsed = url::Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
    // For a URL without a host, the client would silently connect to localhost.
    if !matches!(parsed.host(), Some(url::Host::Domain(name)) if !name.is_empty()) {
        return Err(invalid("it names no host; an IPv6 address has to be given by a name"));
    }
    let mut uri: AMQPUri = url.parse().map_err(|_| invalid("the client cannot parse it"))?;
    uri.query.heartbeat = Some(settings.heartbeat_s);
    Ok(uri)
}

/// Connects without the client's own recovery, which would keep confirms in flight pending for a whole outage.
async fn connect(uri: AMQPUri, name: &str, socket: Arc<Socket>) -> lapin::Result<Connection> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let runtime = lapin::runtime::default_runtime()?;
    let tls = uri.scheme == AMQPScheme::AMQPS;
    // Same as the client's own connector, except for the second handle on the socket.
    Connection::connector(
        uri,
        runtime,
        async move |uri, runtime| {
            let addresses = runtime.to_socket_addrs((uri.authority.host.clone(), uri.authority.port));
            let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
            if let AsyncTcpStream::Plain(plain) = &stream {
                socket.set(duplicate(plain.get_ref())?);
            }
            if tls {
                Ok(stream.into_tls(&uri.authority.host, TLSConfig::default()).await?)
            } else {
                Ok(stream)
            }
        },
        properties,
    )
    .await
}

/// Duplicates the handle of the socket.
fn duplicate(stream: &tokio::net::TcpStream) -> std::io::Result<TcpStream> {
    #[cfg(unix)]
    let handle = std::os::fd::AsFd::as_fd(stream).try_clone_to_owned()?;
    #[cfg(windows)]
    let handle = std::os::windows::io::AsSocket::as_socket(stream).try_clone_to_owned()?;
    Ok(TcpStream::from(handle))
}

#[cfg(test)]
mod tests {
    use super::{BrokerError, RabbitSettings, parse};

    fn parsed(url: &str) -> Result<lapin::uri::AMQPUri, BrokerError> {
        parse(&RabbitSettings::new(url.to_owned().into()))
    }

    #[test]
    fn an_invalid_url_is_refused_without_showing_it() {
        for bad in [
            "",
            "localhost",
            "http://u:hunter2@h/",
            "amqp://u:hunter2@[::1]:5672/",
            "amqp://u:hunter2@h:port/",
            "amqp:///",
        ] {
            let error = parsed(bad).unwrap_err();
            assert!(matches!(error, BrokerError::InvalidUrl(_)), "{bad}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn host_virtual_host_and_heartbeat_are_those_of_the_settings() {
        let uri = parsed("amqp://u:p@h:6000/%2f").unwrap();
        assert_eq!((uri.authority.host.as_str(), uri.authority.port), ("h", 6000));
        assert_eq!((uri.vhost.as_str(), uri.query.heartbeat), ("/", Some(10)));
    }
}
