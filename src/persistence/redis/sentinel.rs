//! Asks sentinels for the address of the primary.

use std::fmt;
use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisConnectionInfo, RedisError, cmd,
};
use tokio::time::timeout;

/// Bound on one sentinel's answer: a frozen one must not hold up the others.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// The sentinels that watch one primary.
#[derive(Debug)]
pub(super) struct Sentinels {
    name: String,
    /// Each with the credentials and the database of the primary.
    servers: Vec<ConnectionInfo>,
}

impl Sentinels {
    pub(super) fn new(name: String, servers: Vec<ConnectionInfo>) -> Self {
        Self { name, servers }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn servers(&self) -> &[ConnectionInfo] {
        &self.servers
    }

    /// Hosts and ports, separated by commas.
    pub(super) fn addresses(&self) -> String {
        let addresses: Vec<_> = self.servers.iter().map(|server| server.addr().to_string()).collect();
        addresses.join(",")
    }

    /// The primary as `server` knows it; the error is one sentence.
    pub(super) async fn ask(&self, server: &ConnectionInfo) -> Result<ConnectionInfo, String> {
        let plain = server.clone().set_redis_settings(RedisConnectionInfo::default());
        let mut answer = self.query(plain).await;
        // Sentinels with a password are given the one of the primary.
        if answer.as_ref().is_err_and(|error| error.code() == Some("NOAUTH")) {
            let credentials = server.redis_settings().clone().set_db(0);
            answer = self.query(server.clone().set_redis_settings(credentials)).await;
        }
        let address = server.addr();
        match answer {
            Ok(Some((host, port))) => Ok(server.clone().set_addr(moved(address, host, port))),
            Ok(None) => Err(format!("{address} does not watch it")),
            Err(error) => Err(format!("{address}: {error}")),
        }
    }

    async fn query(&self, server: ConnectionInfo) -> Result<Option<(String, u16)>, RedisError> {
        let ask = async {
            let patience =
                AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
            let client = Client::open(server)?;
            let mut connection = client.get_multiplexed_async_connection_with_config(&patience).await?;
            cmd("SENTINEL").arg("get-master-addr-by-name").arg(&self.name).query_async(&mut connection).await
        };
        match timeout(ANSWER_TIMEOUT, ask).await {
            Ok(answer) => answer,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }
}

/// `server` at another host and port, reached in the same way.
fn moved(server: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match server {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    }
}

impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sentinels {} for {}", self.addresses(), self.name)
    }
}
