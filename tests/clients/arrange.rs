//! A node, what an operator does with it, and the three clients as programs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::ended::Ended;
use crate::support::node::NodeProcess;
use crate::support::shared::coupon_id;

/// How long a state that must come by itself is waited for.
const EVENT_BOUND: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// How long a client goes on; each must be done long before.
const PATIENCE_S: &str = "120";

/// The clients, by the program that runs each.
pub(crate) const CLIENTS: [(&str, &str); 3] = [("sh", "ask.sh"), ("node", "ask.mjs"), ("python3", "ask.py")];

impl Ended {
    /// What it printed, which must be one JSON document.
    #[track_caller]
    pub(crate) fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{self:#?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Starts a client, which asks `server` on behalf of `member`.
pub(crate) fn begin(client: (&str, &str), server: &str, coupon: &str, member: &str) -> JoinHandle<Ended> {
    begin_with(client, server, coupon, member, PATIENCE_S)
}

/// As `begin`, with another patience.
pub(crate) fn begin_with(
    (program, file): (&str, &str),
    server: &str,
    coupon: &str,
    member: &str,
    patience_s: &str,
) -> JoinHandle<Ended> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clients").join(file);
    let mut command = Command::new(program);
    command.arg(file).args([server, coupon, member]).env("ASK_PATIENCE_S", patience_s).stdin(Stdio::null());
    // A proxy of whoever runs the tests has nothing to do with it.
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    tokio::task::spawn_blocking(move || {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        output.into()
    })
}

/// Runs a client to its end.
pub(crate) async fn ask(client: (&str, &str), server: &str, coupon: &str, member: &str) -> Ended {
    begin(client, server, coupon, member).await.expect("nothing panics")
}

/// The operator of one node.
pub(crate) struct Operator {
    client: Client,
    base: String,
}

impl Operator {
    pub(crate) fn of(node: &NodeProcess) -> Self {
        // reqwest is built without a provider of its own; a second call finds the first.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder().no_proxy().timeout(EVENT_BOUND).build().expect("a client can be made");
        Self { client, base: node.url("") }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, String) {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = if let Some(body) = body { request.json(body) } else { request };
        let response = request.send().await.expect("the node answers");
        (response.status().as_u16(), response.text().await.expect("the answer comes to its end"))
    }

    /// Creates a coupon of a fresh id with these fields.
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

    /// Waits until as many members as this were answered so.
    pub(crate) async fn until_answered(&self, outcome: &str, times: u64) {
        let line = format!("openrun_issue_requests_total{{outcome=\"{outcome}\"}} ");
        let deadline = Instant::now() + EVENT_BOUND;
        loop {
            let (_, metrics) = self.call(Method::GET, "/metrics", None).await;
            let count = metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok());
            if count.is_some_and(|count| count >= times) {
                return;
            }
            assert!(Instant::now() < deadline, "nobody was answered {outcome} in {EVENT_BOUND:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}
