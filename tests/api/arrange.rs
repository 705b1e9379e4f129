//! A node on one of the engines, and a client that checks every response.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::node::{NodeBuilder, NodeProcess, Stack};
use crate::support::shared::coupon_id;

/// Limit of every response, for busy machines too.
const ANSWER_BOUND: Duration = Duration::from_secs(30);
/// Limit of every wait for a state.
pub(crate) const EVENT_BOUND: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// The engines, which must all have the same interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Embedded,
    RedisLua,
    RedisLock,
    PostgresPessimistic,
    PostgresOptimistic,
}

impl Engine {
    /// A private node that is not started yet.
    pub(crate) async fn builder(self) -> NodeBuilder {
        match self {
            Self::Embedded => NodeProcess::embedded(),
            Self::RedisLua => NodeProcess::redis_lua(&Stack::shared().await),
            Self::RedisLock | Self::PostgresPessimistic | Self::PostgresOptimistic => {
                self.over(&Stack::shared().await)
            }
        }
    }

    /// A node on `stack` that is not started yet.
    pub(crate) fn over(self, stack: &Arc<Stack>) -> NodeBuilder {
        match self {
            Self::Embedded => panic!("the embedded engine has one node only"),
            Self::RedisLua => NodeProcess::redis_lua(stack),
            Self::RedisLock => NodeProcess::redis_lock(stack),
            Self::PostgresPessimistic => NodeProcess::postgres("postgres-pessimistic", stack),
            Self::PostgresOptimistic => NodeProcess::postgres("postgres-optimistic", stack),
        }
    }

    /// Whether the engine needs Redis and RabbitMQ.
    pub(crate) fn is_on_the_full_stack(self) -> bool {
        matches!(self, Self::RedisLua | Self::RedisLock)
    }

    /// Starts a private node and makes a client for it.
    pub(crate) async fn node(self) -> (NodeProcess, Api) {
        started(self.builder().await).await
    }
}

/// Starts a node and makes a client for it.
pub(crate) async fn started(builder: NodeBuilder) -> (NodeProcess, Api) {
    let node = builder.start().await;
    let api = Api::of(&node);
    (node, api)
}

/// Makes one test for each case (`async fn case(engine: Engine)`) and each of two engines.
macro_rules! on_both_engines {
    ($($case:ident),+ $(,)?) => {
        crate::arrange::on_engine! { embedded: Embedded: $($case),+ }
        crate::arrange::on_engine! { redis_lua: RedisLua: $($case),+ }
    };
}
pub(crate) use on_both_engines;

/// Makes one test for each case and each of the five engines.
macro_rules! on_every_engine {
    ($($case:ident),+ $(,)?) => {
        crate::arrange::on_both_engines! { $($case),+ }
        crate::arrange::on_engine! { redis_lock: RedisLock: $($case),+ }
        crate::arrange::on_engine! { postgres_pessimistic: PostgresPessimistic: $($case),+ }
        crate::arrange::on_engine! { postgres_optimistic: PostgresOptimistic: $($case),+ }
    };
}
pub(crate) use on_every_engine;

/// Makes one test for each case on one engine.
macro_rules! on_engine {
    ($name:ident: $engine:ident: $($case:ident),+ $(,)?) => {
        mod $name {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::arrange::Engine::$engine).await;
            })+
        }
    };
}
pub(crate) use on_engine;

/// A client of one node.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: Client,
    base: String,
}

impl Api {
    pub(crate) fn of(node: &NodeProcess) -> Self {
        Self::with_headers(node, HeaderMap::new())
    }

    /// A client that sends `token` with every call.
    pub(crate) fn of_operator(node: &NodeProcess, token: &str) -> Self {
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).expect("a valid header");
        Self::with_headers(node, HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
    }

    fn with_headers(node: &NodeProcess, headers: HeaderMap) -> Self {
        // reqwest has no crypto provider of its own. Only the first installation succeeds.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder()
            .default_headers(headers)
            .timeout(ANSWER_BOUND)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client can be built");
        Self { client, base: node.url("") }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, coupon: &str, body: &Value) -> Answer {
        Answer::to(self.request(Method::PATCH, &format!("/v1/coupons/{coupon}")).json(body)).await
    }

    /// `pause`, `resume` or `close`.
    pub(crate) async fn call(&self, coupon: &str, call: &str) -> Answer {
        Answer::to(self.request(Method::POST, &format!("/v1/coupons/{coupon}/{call}"))).await
    }

    /// Creates an open coupon with a fresh id.
    pub(crate) async fn coupon(&self, total: u32) -> String {
        self.coupon_of(&json!({ "total": total })).await
    }

    /// Creates a coupon with a fresh id and these fields.
    pub(crate) async fn coupon_of(&self, fields: &Value) -> String {
        let id = coupon_id();
        let mut body = fields.clone();
        body["id"] = id.as_str().into();
        self.post("/v1/coupons", &body).await.json(201);
        id
    }

    /// Sends an issue request.
    pub(crate) async fn ask(&self, coupon: &str, member: &str) -> Answer {
        self.post(&issuances(coupon), &json!({ "member_id": member })).await
    }

    /// Reads the coupon.
    pub(crate) async fn shown(&self, coupon: &str) -> Value {
        self.get(&format!("/v1/coupons/{coupon}")).await.json(200)
    }

    /// The number of issued coupons. It may be a tenth of a second old, but never older than the last response.
    pub(crate) async fn issued(&self, coupon: &str) -> u64 {
        self.shown(coupon).await["issued"].as_u64().expect("issued is a number")
    }

    /// The value of a metric, named as in the text format; 0 if absent.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or(0.0)
    }

    /// Waits until the gate of this node is halted.
    pub(crate) async fn until_halted(&self, coupon: &str) {
        let gauge = format!("openrun_gate_halted{{coupon=\"{coupon}\"}}");
        until("the gate is halted", EVENT_BOUND, async || self.metric(&gauge).await > 0.5).await;
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(event: &str, bound: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + bound;
    while !condition().await {
        assert!(Instant::now() < deadline, "{event}: not within {bound:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// The path for issue requests.
pub(crate) fn issuances(coupon: &str) -> String {
    format!("/v1/coupons/{coupon}/issuances")
}

/// The path of a member's issuance. All bytes but letters and digits are encoded.
pub(crate) fn issuance_of(coupon: &str, member: &str) -> String {
    let encoded: String =
        member
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
    format!("/v1/coupons/{coupon}/issuances/{encoded}")
}

/// A response with its body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Sends the request and reads the response.
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the node answers");
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let body = response.bytes().await.expect("a whole response").to_vec();
        Self { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON body. Panics on another status.
    #[track_caller]
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/json", "{}", self.text());
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The problem. Panics unless it is complete and has this status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let body: Value = serde_json::from_slice(&self.body).expect("the body is JSON");
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["type"], format!("urn:openrun:problem:{code}"), "{body}");
        assert_eq!(body["status"], status, "{body}");
        for text in ["title", "detail"] {
            assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "{text} is missing: {body}");
        }
        let may_wait = matches!(status, 429 | 503) || code == "not_open";
        let wait_s = self.header("retry-after").parse::<u64>();
        assert_eq!(wait_s.is_ok_and(|wait_s| wait_s >= 1), may_wait, "Retry-After: {:?}", self.headers);
        body
    }

    /// The code of a problem, or "" for another response.
    pub(crate) fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}
