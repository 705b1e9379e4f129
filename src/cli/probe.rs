//! `openrun probe`: the health check of a container, which may lack a shell and curl.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, Url};

use super::args::ProbeArgs;
use super::failure::Failure;
use super::runtime;

/// Characters of a negative answer that are printed.
const ANSWER_CHARS: usize = 300;

/// Exit code 0 on an answer of 2xx, 1 on any other or none, 2 on wrong arguments.
pub(super) fn run(args: &ProbeArgs) -> Result<ExitCode, Failure> {
    let url = match &args.url {
        Some(url) => checked(url)?,
        None => own_readyz(args.bind)?,
    };
    runtime::run(probe(url, Duration::from_millis(args.timeout_ms)))
}

async fn probe(url: Url, timeout: Duration) -> Result<ExitCode, Failure> {
    let http = Client::builder().timeout(timeout).no_proxy().build().map_err(Failure::operator)?;
    let answer = http.get(url.clone()).send().await;
    let answer = answer.map_err(|error| Failure::Refused(format!("{url} {}", reason(&error))))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(ExitCode::SUCCESS);
    }
    let body: String = answer.text().await.unwrap_or_default().chars().take(ANSWER_CHARS).collect();
    let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(Failure::Refused(format!("{url} answers {status}: {body}")))
}

fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() { "does not answer in time" } else { "cannot be reached" }
}

fn checked(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| Failure::operator(format!("'{text}' is not an http:// URL")))
}

/// `/readyz` of a node that listens on `bind`; over loopback if it listens on every address.
fn own_readyz(bind: SocketAddr) -> Result<Url, Failure> {
    if bind.port() == 0 {
        return Err(Failure::operator(
            "OPENRUN_BIND has port 0, which stands for a random port: name the URL",
        ));
    }
    let mut address = bind;
    if bind.ip().is_unspecified() {
        address.set_ip(if bind.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    checked(&format!("http://{address}/readyz"))
}

#[cfg(test)]
mod tests {
    use super::own_readyz;

    #[test]
    fn a_node_that_listens_on_every_address_is_probed_over_loopback() {
        for (bind, url) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080/readyz"),
            ("[::]:81", "http://[::1]:81/readyz"),
            ("10.1.2.3:9", "http://10.1.2.3:9/readyz"),
        ] {
            assert_eq!(own_readyz(bind.parse().unwrap()).unwrap().as_str(), url);
        }
        assert!(own_readyz("127.0.0.1:0".parse().unwrap()).is_err());
    }
}
