//! A gateway for one test, and its responses.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::ports::free_port;
use crate::support::process::{Process, Watchdog};
use crate::support::races::{http, until};

/// Limit of every wait.
const BOUND: Duration = Duration::from_secs(60);
/// Practically no limits.
const NO_LIMITS: [(&str, &str); 3] = [
    ("GATEWAY_CLIENT_RATE", "100000r/s"),
    ("GATEWAY_CLIENT_BURST", "100000"),
    ("GATEWAY_CLIENT_CONNECTIONS", "10000"),
];

/// A gateway that is not started yet.
pub(crate) struct GatewayBuilder {
    settings: BTreeMap<&'static str, String>,
}

impl GatewayBuilder {
    pub(crate) fn set(mut self, name: &'static str, value: &str) -> Self {
        self.settings.insert(name, value.to_owned());
        self
    }

    /// Trusts the proxies of this range.
    pub(crate) fn trusting(self, range: &str) -> Self {
        self.set("GATEWAY_TRUSTED_PROXIES", range)
    }

    /// Starts the gateway and waits until it answers.
    pub(crate) async fn start(mut self) -> Gateway {
        let (public, inner) = (free_port(), free_port());
        for (name, port) in [("GATEWAY_PUBLIC_PORT", public), ("GATEWAY_INNER_PORT", inner)] {
            self.settings.insert(name, port.to_string());
        }
        let (folder, command) = self.command();
        let mut watchdog = Watchdog::over(folder.path());
        let mut command = command;
        let process = Process::spawn(&mut command, &folder.path().join("gateway.log"), &mut watchdog);
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut gateway =
            Gateway { process, _watchdog: watchdog, folder, public: at(public), inner: at(inner) };
        let livez = format!("http://{}/gateway/livez", gateway.inner);
        until("a gateway", async || {
            assert!(gateway.process.is_running(), "the gateway exited:\n{}", gateway.process.log_tail());
            http().get(&livez).send().await.ok().filter(|answer| answer.status() == 200)
        })
        .await;
        gateway
    }

    /// The command that starts the gateway, and its folder, which nginx's workers can enter.
    pub(crate) fn command(&self) -> (TempDir, Command) {
        let folder = tempfile::Builder::new().prefix("openrun-gateway-").tempdir().expect("a directory");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        let mut command = Command::new("sh");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/gateway/run.sh"))
            .env("GATEWAY_RUN_DIR", folder.path().join("run"))
            .env("GATEWAY_ACCESS_LOG", folder.path().join("access.log"))
            .env("GATEWAY_LISTEN", "127.0.0.1")
            .envs(&self.settings);
        (folder, command)
    }
}

/// A gateway that runs until it is dropped.
pub(crate) struct Gateway {
    // Fields are dropped in this order: the process before the directory it writes to.
    process: Process,
    _watchdog: Watchdog,
    folder: TempDir,
    pub(crate) public: SocketAddr,
    pub(crate) inner: SocketAddr,
}

impl Gateway {
    /// A gateway before these nodes, by default without limits.
    pub(crate) fn before(nodes: &[SocketAddr]) -> GatewayBuilder {
        let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        let settings = NO_LIMITS.map(|(name, value)| (name, value.to_owned()));
        GatewayBuilder { settings: settings.into() }.set("GATEWAY_NODES", &nodes.join(" "))
    }

    /// The URL of a path on the public port.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.public)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(http().get(self.url(path))).await
    }

    /// Sends an issue request to the public port.
    pub(crate) async fn click(&self, coupon: &str, member: &str) -> Answer {
        let url = self.url(&format!("/v1/coupons/{coupon}/issuances"));
        answer(http().post(url).json(&serde_json::json!({ "member_id": member }))).await
    }

    /// Sends an operator's call to the inner port.
    pub(crate) async fn operate(&self, method: Method, path: &str) -> Answer {
        answer(http().request(method, format!("http://{}{path}", self.inner))).await
    }

    fn access_log(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    /// Waits until the access log meets `enough`. The gateway writes it with a delay of up to one second.
    pub(crate) async fn logged(&self, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        until("the access log", async || {
            let text = fs::read_to_string(self.access_log()).ok()?;
            // The last line may be incomplete.
            let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            enough(&lines).then_some(lines)
        })
        .await
    }
}

/// A response with its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// Panics unless the response is a problem with this status and code, in the form of the service.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.body["code"], code, "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert_eq!(self.body["type"], format!("urn:openrun:problem:{code}"), "{self:?}");
        for words in ["title", "detail"] {
            assert!(self.body[words].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
        if matches!(status, 429 | 503) {
            assert_eq!(self.header("retry-after"), "1", "{self:?}");
        }
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("the gateway answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.expect("the answer is whole");
    Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
}

/// A client with another source address on this machine.
pub(crate) fn client_at(address: &str) -> Client {
    let address: IpAddr = address.parse().expect("an address");
    let client = Client::builder().timeout(BOUND).no_proxy().local_address(address).build();
    client.expect("a client can be built")
}
