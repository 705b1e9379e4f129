//! The three clients as programs, and an operator of a node.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::ended::Ended;
use crate::support::node::NodeProcess;
use crate::support::shared::coupon_id;

/// Limit of every wait for a state.
const EVENT_BOUND: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Time after which a client gives up. Each must finish long before.
const PATIENCE_S: &str = "120";

/// The clients, with the program that runs each.
pub(crate) const CLIENTS: [(&str, &str); 3] = [("sh", "ask.sh"), ("node", "ask.mjs"), ("python3", "ask.py")];

impl Ended {
    /// The output, which must be one JSON document.
    #[track_caller]
    pub(crate) fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{self:#?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Starts a client that requests the coupon for `member` at `server`.
pub(crate) fn start(client: (&str, &str), server: &str, coupon: &str, member: &str) -> JoinHandle<Ended> {
    start_with(client, server, coupon, member, PATIENCE_S)
}

/// `start` with another patience.
pub(crate) fn start_with(
    (program, file): (&str, &str),
    server: &str,
    coupon: &str,
    member: &str,
    patience_s: &str,
) -> JoinHandle<Ended> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clients").join(file);
    let mut command = Command::new(program);
    command.arg(file).args([server, coupon, member]).env("ASK_PATIENCE_S", patience_s).stdin(Stdio::null());
    // The proxy settings of the test's environment must not apply.
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    tokio::task::spawn_blocking(move || {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        output.into()
    })
}

/// Runs a client to its end.
pub(crate) async fn request_coupon(client: (&str, &str), server: &str, coupon: &str, member: &str) -> Ended {
    start(client, server, coupon, member).await.expect("the client runs")
}

/// The operator of one node.
pub(crate) struct Operator {
    client: Client,
    base: String,
}

impl Operator {
    pub(crate) fn of(node: &NodeProcess) -> Self {
        // reqwest has no crypto provider of its own. Only the first installation succeeds.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client =
            Client::builder().no_proxy().timeout(EVENT_BOUND).build().expect("a client can be built");
        Self { client, base: node.url("") }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, String) {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = if let Some(body) = body { request.json(body) } else { request };
        let response = request.send().await.expect("the node answers");
        (response.status().as_u16(), response.text().await.expect("a whole response"))
    }

    /// Creates a coupon with a fresh id and these fields.
    pub(crate) async fn coupon(&self, fields: Value) -> String {
        let id = coupon_id();
        let mut body = fields;
        body["id"] = json!(id);
        let (status, text) = self.call(Method::POST, "/v1/coupons", Some(&body)).await;
        assert_eq!(status, 201, "{text}");
        id
    }

    /// `pause`, `resume` or `close`.
    pub(crate) async fn lifecycle(&self, coupon: &str, call: &str) {
        let (status, text) = self.call(Method::POST, &format!("/v1/coupons/{coupon}/{call}"), None).await;
        assert_eq!(status, 200, "{text}");
    }

    /// Waits until so many requests have had this outcome.
    pub(crate) async fn until_answered(&self, outcome: &str, times: u64) {
        let line = format!("openrun_issue_requests_total{{outcome=\"{outcome}\"}} ");
        let deadline = Instant::now() + EVENT_BOUND;
        loop {
            let (_, metrics) = self.call(Method::GET, "/metrics", None).await;
            let count = metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok());
            if count.is_some_and(|count| count >= times) {
                return;
            }
            assert!(Instant::now() < deadline, "no request had the outcome {outcome} in {EVENT_BOUND:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}
