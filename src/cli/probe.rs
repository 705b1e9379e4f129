//! `openrun probe`: whether a node is well, for whoever has a shell in its container or not even that.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, Url};

use super::args::ProbeArgs;
use super::failure::Failure;
use super::runtime;

/// Of an answer that says no, so much is told.
const TOLD_CHARS: usize = 300;

/// Exit code 0 if it answers 2xx, 1 if it does not, 2 if it cannot be asked like this.
pub(super) fn run(args: &ProbeArgs) -> Result<ExitCode, Failure> {
    let url = match &args.url {
        Some(url) => checked(url)?,
        None => own(args.bind)?,
    };
    runtime::run(ask(url, Duration::from_millis(args.timeout_ms)))
}

async fn ask(url: Url, timeout: Duration) -> Result<ExitCode, Failure> {
    let http = Client::builder().timeout(timeout).no_proxy().build().map_err(Failure::operator)?;
    let answer = http.get(url.clone()).send().await;
    let answer = answer.map_err(|error| Failure::Refused(format!("{url} {}", silence(&error))))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(ExitCode::SUCCESS);
    }
    let said: String = answer.text().await.unwrap_or_default().chars().take(TOLD_CHARS).collect();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(Failure::Refused(format!("{url} answers {status}: {said}")))
}

fn silence(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() { "does not answer in time" } else { "cannot be reached" }
}

fn checked(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| Failure::operator(format!("'{text}' is no http:// URL")))
}

/// The node of this environment. One that listens on every address is asked over loopback.
fn own(bind: SocketAddr) -> Result<Url, Failure> {
    if bind.port() == 0 {
        return Err(Failure::operator("port 0 is another one each time: name the URL to ask"));
    }
    let mut at = bind;
    if bind.ip().is_unspecified() {
        at.set_ip(if bind.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    checked(&format!("http://{at}/readyz"))
}

#[cfg(test)]
mod tests {
    use super::own;

    #[test]
    fn a_node_that_listens_everywhere_is_asked_over_loopback() {
        for (bind, url) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080/readyz"),
            ("[::]:81", "http://[::1]:81/readyz"),
            ("10.1.2.3:9", "http://10.1.2.3:9/readyz"),
        ] {
            assert_eq!(own(bind.parse().unwrap()).unwrap().as_str(), url);
        }
        assert!(own("127.0.0.1:0".parse().unwrap()).is_err());
    }
}
