//! Who may make operators' calls: whoever has the token or, where none is set, whoever sits at this machine.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use actix_web::{FromRequest, HttpRequest, web};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use super::state::AppState;

/// Says whether it was a page of the same site that asked (W3C Fetch Metadata).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const OTHER_SITE: &str = "operators' calls are not taken from other sites' pages";

/// How operators are told from others.
#[derive(Clone, Debug)]
pub struct Operators {
    token: Option<SecretString>,
}

impl Operators {
    /// Operators are those who have `token`; without one, those who call over loopback.
    #[must_use]
    pub fn new(token: Option<SecretString>) -> Self {
        Self { token }
    }

    fn admit(&self, request: &HttpRequest) -> Result<(), Problem> {
        let Some(token) = &self.token else { return admit_local(request) };
        let given =
            header(request, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("");
        let same: bool = given.as_bytes().ct_eq(token.expose_secret().as_bytes()).into();
        if same { Ok(()) } else { Err(Problem::unauthorized()) }
    }
}

/// Without a token a call must come over loopback, and not by way of a web page that the operator has open: such a
/// page shows itself by its origin, or by a host name that it made point here.
fn admit_local(request: &HttpRequest) -> Result<(), Problem> {
    let local_peer = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let host = header(request, HOST).unwrap_or("");
    if !local_peer || !is_loopback_host(host) {
        return Err(Problem::forbidden(
            "without OPENRUN_ADMIN_TOKEN operators' calls are taken over loopback only",
        ));
    }
    // A page of another site may have a browser ask without an origin, though it never sees the answer.
    if header(request, FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(Problem::forbidden(OTHER_SITE));
    }
    let own_origin = |origin: &str| origin.strip_prefix("http://") == Some(host);
    if header(request, ORIGIN).is_some_and(|origin| !own_origin(origin)) {
        return Err(Problem::forbidden(OTHER_SITE));
    }
    Ok(())
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn header(request: &HttpRequest, name: HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Proof that the caller is an operator; a handler that takes it is open to operators only.
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
    use super::is_loopback_host;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for local in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:80", "[::1]:8080", "127.9.9.9"] {
            assert!(is_loopback_host(local), "{local}");
        }
        for other in
            ["", "example.com", "localhost.example.com", "10.0.0.1:8080", "[fe80::1]", "127.0.0.1.nip.io"]
        {
            assert!(!is_loopback_host(other), "{other}");
        }
    }
}
