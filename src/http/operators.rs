//! Authorization of operators' calls: by the token or, if none is set, by a direct connection over loopback.

use std::future::{Ready, ready};
use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use actix_web::{FromRequest, HttpRequest, web};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::client_address::is_forwarded;
use super::problem::Problem;
use super::state::AppState;

/// The site of the page that sent the request (W3C Fetch Metadata).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const OTHER_SITE: &str = "an operator's call was sent by a page of another site; such calls are refused";
const NOT_LOCAL: &str = "without OPENRUN_ADMIN_TOKEN the node accepts operators' calls over loopback only";
const BY_A_PROXY: &str = "the call was forwarded by a proxy: to accept operators' calls behind a proxy, set OPENRUN_ADMIN_TOKEN on the node";

/// Authorizes operators.
#[derive(Clone, Debug)]
pub struct Operators {
    token: Option<SecretString>,
}

impl Operators {
    /// Accepts calls with `token` or, if it is `None`, calls over loopback.
    #[must_use]
    pub fn new(token: Option<SecretString>) -> Self {
        Self { token }
    }

    fn admit(&self, request: &HttpRequest) -> Result<(), Problem> {
        let Some(token) = &self.token else { return admit_local(request) };
        let given = single_value(request, AUTHORIZATION).and_then(bearer).unwrap_or("");
        let is_same: bool = given.as_bytes().ct_eq(token.expose_secret().as_bytes()).into();
        if is_same { Ok(()) } else { Err(Problem::unauthorized()) }
    }
}

/// The token of `Authorization` (RFC 6750). The scheme is case-insensitive.
fn bearer(credentials: &str) -> Option<&str> {
    let (scheme, token) = credentials.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_start_matches(' '))
}

/// Without a token a call must come over loopback, not through a proxy, because its clients may be anywhere, and not from
/// a page of another site in the operator's browser. Such a page is detected by its origin, or by a host name that it
/// resolves to this machine. A proxy that adds no header and sets `Host` to a loopback name is indistinguishable from an
/// operator: behind proxies a token is needed.
fn admit_local(request: &HttpRequest) -> Result<(), Problem> {
    if is_forwarded(request.headers()) {
        return Err(Problem::forbidden(BY_A_PROXY));
    }
    let local_peer = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let host = single_value(request, HOST).filter(|host| local_peer && is_loopback_host(host));
    let Some(host) = host else { return Err(Problem::forbidden(NOT_LOCAL)) };
    // A browser may send the request of another site's page without an origin; the page cannot read the response then,
    // but the call would take effect.
    let own_site = |site: &HeaderValue| site == "same-origin" || site == "none";
    let own_origin =
        |origin: &HeaderValue| origin.as_bytes().strip_prefix(b"http://") == Some(host.as_bytes());
    let headers = request.headers();
    if !headers.get_all(FETCH_SITE).all(own_site) || !headers.get_all(ORIGIN).all(own_origin) {
        return Err(Problem::forbidden(OTHER_SITE));
    }
    Ok(())
}

/// Whether `host` is a name or address of this machine, with or without a port.
fn is_loopback_host(host: &str) -> bool {
    let (is_local, rest) =
        if let Some((address, rest)) = host.strip_prefix('[').and_then(|ip| ip.split_once(']')) {
            (address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()), rest)
        } else {
            let (name, rest) = host.split_at(host.find(':').unwrap_or(host.len()));
            let is_address = name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
            (is_address || name.eq_ignore_ascii_case("localhost"), rest)
        };
    is_local && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

/// Accepts digits alone: `u16::from_str` also takes a plus sign.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// The value of a header that occurs exactly once.
fn single_value(request: &HttpRequest, name: HeaderName) -> Option<&str> {
    let mut values = request.headers().get_all(name);
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Proof that the caller is an operator: a handler with this parameter serves operators alone.
#[derive(Debug)]
pub(super) struct Operator;

impl FromRequest for Operator {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let admitted = match request.app_data::<web::Data<AppState>>() {
            Some(state) => state.operators.admit(request),
            None => Err(Problem::unauthorized()),
        };
        ready(admitted.map(|()| Self).map_err(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use super::{bearer, is_loopback_host};

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for local in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:80", "[::1]:8080", "127.9.9.9"] {
            assert!(is_loopback_host(local), "{local}");
        }
        for other in [
            "",
            "example.com",
            "localhost.example.com",
            "10.0.0.1:8080",
            "[fe80::1]",
            "127.0.0.1.nip.io",
            "::1",
            "[::1",
            "[::1]8080",
            "[::1]evil:80",
            "[127.0.0.1]",
            "localhost:",
            "localhost:+80",
            "localhost:65536",
            "localhost:80:80",
            "localhost:http",
            "localhost:80/",
            " localhost",
            "user@localhost",
        ] {
            assert!(!is_loopback_host(other), "{other}");
        }
    }

    #[test]
    fn a_scheme_may_be_in_any_case_and_a_token_may_not() {
        for given in ["Bearer Secret", "bearer Secret", "BEARER   Secret"] {
            assert_eq!(bearer(given), Some("Secret"), "{given}");
        }
        for other in
            ["", "Secret", "Bearer", "BearerSecret", "Basic Secret", " Bearer Secret", "Bearer\tSecret"]
        {
            assert_eq!(bearer(other), None, "{other}");
        }
    }
}
