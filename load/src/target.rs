//! The address of a service, parsed and resolved once for all requests.

use std::net::SocketAddr;

use hyper::{Uri, header::HeaderValue};

/// The port of an `http://` address that has none.
const HTTP_PORT: u16 = 80;

#[derive(Clone, Debug)]
pub struct Target {
    addr: SocketAddr,
    host: HeaderValue,
}

/// The reason for which an address cannot be used, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("`{0}` is not an address: write it as http://127.0.0.1:8080")]
    Malformed(String),
    #[error("`{0}` is not supported, only http: point at the service itself, as in http://127.0.0.1:8080")]
    Scheme(String),
    /// The address has a path; openrun serves its interface at the root.
    #[error("`{0}` has a path: give only the scheme, the host and the port")]
    Path(String),
    #[error("the host of `{text}` cannot be found: check the spelling, or give an IP address")]
    Unresolved { text: String, source: std::io::Error },
}

impl Target {
    /// Parses `http://host:port` or `host:port` and resolves the host.
    pub async fn resolve(text: &str) -> Result<Self, TargetError> {
        let malformed = || TargetError::Malformed(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| malformed())?;
        match uri.scheme_str() {
            None | Some("http") => {}
            Some(other) => return Err(TargetError::Scheme(other.to_owned())),
        }
        if uri.path().len() > 1 || uri.query().is_some() {
            return Err(TargetError::Path(text.to_owned()));
        }
        let authority = uri.authority().ok_or_else(malformed)?;
        if authority.as_str().contains('@') {
            return Err(malformed());
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| malformed())?;
        let port = authority.port_u16().unwrap_or(HTTP_PORT);
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        let unresolved = |source| TargetError::Unresolved { text: text.to_owned(), source };
        let mut found = tokio::net::lookup_host((name, port)).await.map_err(unresolved)?;
        let addr = found.next().ok_or_else(|| unresolved(std::io::ErrorKind::NotFound.into()))?;
        Ok(Self { addr, host })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The value of the `Host` header.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        let host = HeaderValue::try_from(addr.to_string());
        Self { addr, host: host.unwrap_or_else(|_| HeaderValue::from_static("localhost")) }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}", self.host.to_str().unwrap_or("?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_accepted_with_or_without_its_scheme() {
        for text in ["http://127.0.0.1:8080", "http://127.0.0.1:8080/", "127.0.0.1:8080"] {
            let target = Target::resolve(text).await.unwrap();
            assert_eq!(target.addr(), "127.0.0.1:8080".parse().unwrap());
            assert_eq!(target.to_string(), "http://127.0.0.1:8080");
        }
        let bare = Target::resolve("http://127.0.0.1").await.unwrap();
        assert_eq!(bare.addr().port(), HTTP_PORT);
        let six = Target::resolve("http://[::1]:81").await.unwrap();
        assert_eq!(six.addr(), "[::1]:81".parse().unwrap());
    }

    #[tokio::test]
    async fn an_invalid_address_is_refused_with_a_reason() {
        let error = |text| async move { Target::resolve(text).await.unwrap_err() };
        assert!(matches!(error("https://127.0.0.1").await, TargetError::Scheme(_)));
        assert!(matches!(error("http://127.0.0.1:1/v1").await, TargetError::Path(_)));
        assert!(matches!(error("http://me@127.0.0.1:1").await, TargetError::Malformed(_)));
        assert!(matches!(error("not an address").await, TargetError::Malformed(_)));
        assert!(matches!(error("/just/a/path").await, TargetError::Path(_) | TargetError::Malformed(_)));
    }
}
