//! One connection to the broker, of which every wait is bounded and which can be cut at its socket.

use std::future::Future;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
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

/// How long an orderly goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// A handle on the socket of a connection. The client's thread ends only when the broker answers or the socket does;
/// a broker that is frozen or blocks its publishers would otherwise keep one thread and one socket for every try.
#[derive(Debug, Default)]
struct Socket(Mutex<Option<TcpStream>>);

impl Socket {
    fn remember(&self, stream: TcpStream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }

    fn cut(&self) {
        if let Some(stream) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It may have ended by itself.
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

/// Cuts the socket unless the connection came about: whoever waited for it may have stopped waiting.
struct CutOnDrop(Option<Arc<Socket>>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take() {
            socket.cut();
        }
    }
}

/// An open connection with its topology in place. Dropping it says goodbye in the background.
#[derive(Debug)]
pub(super) struct Session {
    connection: Option<Connection>,
    socket: Arc<Socket>,
    pub(super) topology: Topology,
    pub(super) reply_timeout: Duration,
}

impl Session {
    /// Connects as `name` and declares the topology.
    pub(super) async fn open(settings: &RabbitSettings, name: &str) -> Result<Self, BrokerError> {
        Self::begin(settings, name, true).await
    }

    /// Connects as `name` and declares nothing: whatever is on the broker stays as it is.
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

    /// Another channel on this connection.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        let Some(connection) = &self.connection else { return Err(BrokerError::Closed) };
        self.bounded("opening a channel", connection.create_channel()).await
    }

    /// Another channel, on which the broker confirms what is published.
    pub(super) async fn confirming_channel(&self) -> Result<Channel, BrokerError> {
        let channel = self.channel().await?;
        let confirming = channel.confirm_select(ConfirmSelectOptions::default());
        self.bounded("switching confirms on", confirming).await?;
        Ok(channel)
    }

    /// Waits for an answer of the broker, but not for ever.
    pub(super) async fn bounded<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, BrokerError> {
        within(self.reply_timeout, what, async { answer.await.map_err(BrokerError::from) }).await
    }

    /// How many messages wait in the queue of issuances, not counting those in the hands of receivers.
    pub(super) async fn backlog(&self, channel: &Channel) -> Result<u64, BrokerError> {
        self.depth(channel, self.topology.issuances()).await
    }

    /// How many messages wait in the queue of dead letters, not counting those that somebody looks at.
    pub(super) async fn set_aside(&self, channel: &Channel) -> Result<u64, BrokerError> {
        self.depth(channel, self.topology.dead_letters()).await
    }

    async fn depth(&self, channel: &Channel, queue: String) -> Result<u64, BrokerError> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.into(), options, FieldTable::default());
        let queue = self.bounded("asking how many messages wait", declared).await?;
        Ok(u64::from(queue.message_count()))
    }

    /// Whether nothing is known to be wrong with it.
    pub(super) fn is_open(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.status().connected())
    }

    /// Ends it in an orderly way.
    pub(super) async fn goodbye(&self) -> Result<(), BrokerError> {
        let Some(connection) = &self.connection else { return Ok(()) };
        self.bounded("saying goodbye", connection.close(200, "goodbye".into())).await
    }

    /// Ends it without a word, at once: after a failure nobody may be listening.
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
                    let goodbye = connection.close(200, "goodbye".into());
                    timeout(GOODBYE, goodbye).await.ok();
                    socket.cut();
                });
            }
            _ => socket.cut(),
        }
    }
}

/// `work` within `bound`, or [`BrokerError::TimedOut`] at `what`.
pub(super) async fn within<T>(
    bound: Duration,
    what: &'static str,
    work: impl Future<Output = Result<T, BrokerError>>,
) -> Result<T, BrokerError> {
    let after_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
    timeout(bound, work).await.unwrap_or(Err(BrokerError::TimedOut { what, after_ms }))
}

fn parse(settings: &RabbitSettings) -> Result<AMQPUri, BrokerError> {
    let url = settings.url.expose_secret();
    let invalid = |reason: &str| BrokerError::InvalidUrl(reason.to_owned());
    let parsed = url::Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
    // The client would quietly connect to localhost instead.
    if !matches!(parsed.host(), Some(url::Host::Domain(name)) if !name.is_empty()) {
        return Err(invalid("it names no host; an IPv6 address has to be given by a name"));
    }
    let mut uri: AMQPUri = url.parse().map_err(|_| invalid("a part of it cannot be read"))?;
    uri.query.heartbeat = Some(settings.heartbeat_s);
    Ok(uri)
}

/// Connects without the client's own recovery, with which confirms in flight would hang for a whole outage.
async fn connect(uri: AMQPUri, name: &str, socket: Arc<Socket>) -> lapin::Result<Connection> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let runtime = lapin::runtime::default_runtime()?;
    let tls = uri.scheme == AMQPScheme::AMQPS;
    // As the client itself dials, but for the second handle.
    Connection::connector(
        uri,
        runtime,
        async move |uri, runtime| {
            let addresses = runtime.to_socket_addrs((uri.authority.host.clone(), uri.authority.port));
            let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
            if let AsyncTcpStream::Plain(plain) = &stream {
                socket.remember(duplicate(plain.get_ref())?);
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

/// A second handle on the same socket.
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
    fn host_virtual_host_and_heartbeat_are_as_said() {
        let uri = parsed("amqp://u:p@h:6000/%2f").unwrap();
        assert_eq!((uri.authority.host.as_str(), uri.authority.port), ("h", 6000));
        assert_eq!((uri.vhost.as_str(), uri.query.heartbeat), ("/", Some(10)));
    }
}
