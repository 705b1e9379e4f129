//! The ways to Redis that a URL can name.

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use std::time::Duration;
use url::Url;

use super::connect_error::ConnectError;
use super::sentinel::Sentinels;

/// The operating system drops a connection whose data is not acknowledged for this long.
#[cfg(target_os = "linux")]
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);
const SENTINEL_PORT: u16 = 26_379;
/// More sentinels would only delay an attempt to connect.
const SENTINELS_MAX: usize = 16;

/// Where the primary is.
#[derive(Debug)]
pub(super) enum Route {
    /// At an address, which may be a name that moves.
    Direct(ConnectionInfo),
    /// At the address that sentinels name.
    Sentinel(Sentinels),
}

impl Route {
    /// Parses `redis://`, `rediss://` (TLS), `redis+unix://`, `unix://` or `redis-sentinel://`.
    ///
    /// # Errors
    /// [`ConnectError::WrongUrl`], without the password.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        if let Some((scheme, rest)) = url.split_once("://") {
            match scheme {
                "redis-sentinel" => return parse_sentinels("redis", rest).map(Self::Sentinel),
                "rediss-sentinel" => return parse_sentinels("rediss", rest).map(Self::Sentinel),
                _ => {}
            }
        }
        parse_direct(url).map(Self::Direct)
    }

    /// Host and port, or path, or sentinels and name; without credentials.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Direct(info) => info.addr().to_string(),
            Self::Sentinel(sentinels) => sentinels.to_string(),
        }
    }
}

fn parse_direct(url: &str) -> Result<ConnectionInfo, ConnectError> {
    let parsed = Url::parse(url).map_err(|_| ConnectError::WrongUrl("it is not a URL"))?;
    match parsed.scheme() {
        "redis" | "rediss" if parsed.host_str().is_none_or(str::is_empty) => {
            return Err(ConnectError::WrongUrl("it has no host"));
        }
        "redis+unix" | "unix" if parsed.host_str().is_some_and(|host| !host.is_empty()) => {
            return Err(ConnectError::WrongUrl(
                "the path of the socket must follow redis+unix:// with a third slash",
            ));
        }
        "redis+unix" | "unix" if parsed.path().len() < 2 => {
            return Err(ConnectError::WrongUrl("it has no path of a socket"));
        }
        "redis" | "rediss" | "redis+unix" | "unix" => {}
        _ => {
            return Err(ConnectError::WrongUrl(
                "it must begin with redis://, rediss://, redis+unix:// or redis-sentinel://",
            ));
        }
    }
    let info = parsed.into_connection_info().map_err(|_| {
        ConnectError::WrongUrl("its user, password, database number or a parameter cannot be read")
    })?;
    let tcp = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(SILENCE_TIMEOUT);
    Ok(info.set_tcp_settings(tcp))
}

/// Parses `[user:password@]host[:port][,host[:port]...]/name[/database]`.
fn parse_sentinels(scheme: &str, rest: &str) -> Result<Sentinels, ConnectError> {
    let (authority, path) = rest
        .split_once('/')
        .ok_or(ConnectError::WrongUrl("the name of the primary must follow the hosts"))?;
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (name, database) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() || name.contains(['?', '#']) {
        return Err(ConnectError::WrongUrl("the name of the primary must follow the hosts"));
    }
    let at = if credentials.is_empty() { "" } else { "@" };
    let mut servers = Vec::new();
    for host in hosts.split(',') {
        if host.is_empty() {
            return Err(ConnectError::WrongUrl("it has no host where a sentinel should be"));
        }
        let info = parse_direct(&format!("{scheme}://{credentials}{at}{host}/{database}"))?;
        let has_port = Url::parse(&format!("{scheme}://{host}")).is_ok_and(|url| url.port().is_some());
        let addr = match info.addr().clone() {
            ConnectionAddr::Tcp(host, _) if !has_port => ConnectionAddr::Tcp(host, SENTINEL_PORT),
            ConnectionAddr::TcpTls { host, insecure, tls_params, .. } if !has_port => {
                ConnectionAddr::TcpTls { host, port: SENTINEL_PORT, insecure, tls_params }
            }
            addr => addr,
        };
        servers.push(info.set_addr(addr));
    }
    if servers.len() > SENTINELS_MAX {
        return Err(ConnectError::WrongUrl("it names too many sentinels"));
    }
    Ok(Sentinels::new(name.to_owned(), servers))
}

#[cfg(test)]
mod tests {
    use super::Route;

    fn address(url: &str) -> String {
        Route::parse(url).unwrap().address()
    }

    #[test]
    fn a_wrong_url_is_explained_without_its_password() {
        for (url, words) in [
            ("", "not a URL"),
            ("localhost", "not a URL"),
            ("http://localhost", "redis://, rediss://"),
            ("redis://:hunter2@/0", "not a URL"),
            ("redis:///0", "no host"),
            ("redis://:hunter2@localhost/first", "database number"),
            ("redis+unix://", "no path"),
            ("unix://run/redis.sock", "third slash"),
            ("redis-sentinel://:hunter2@one,two", "name of the primary"),
            ("redis-sentinel://:hunter2@one,two/", "name of the primary"),
            ("redis-sentinel://:hunter2@one,,two/mymaster", "no host where a sentinel"),
            ("redis-sentinel://:hunter2@one/mymaster/first", "database number"),
            ("redis-sentinel://:hunter2@one:port/mymaster", "not a URL"),
        ] {
            let text = Route::parse(url).unwrap_err().to_string();
            assert!(text.contains(words), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn each_way_is_read() {
        for (url, expected) in [
            ("redis://127.0.0.1:6390/2", "127.0.0.1:6390"),
            ("rediss://u:p@redis.example", "redis.example:6379"),
            ("redis+unix:///run/redis.sock?db=1&user=u&pass=p", "/run/redis.sock"),
            ("unix:///run/redis.sock", "/run/redis.sock"),
        ] {
            assert_eq!(address(url), expected);
        }
        let sentinels = address("redis-sentinel://u:p@one:1,two,[::1]:3/mymaster/4");
        assert_eq!(sentinels, "sentinels one:1,two:26379,::1:3 for mymaster");
        assert_eq!(address("rediss-sentinel://one/m"), "sentinels one:26379 for m");
    }
}
