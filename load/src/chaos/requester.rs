//! Sends one request to one node and records it in the history.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use serde::Deserialize;
use serde_json::{Value, json};

use super::clock::Clock;
use super::history::{Call, History, Op, Outcome, Rejection};
use crate::connection::{Connection, Reply, RequestError};
use crate::target::Target;

/// Request timeout: longer than the node's own, so that the node reports an unknown outcome before the client gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// Fixed, so that a repeated create call has the same arguments.
const OPENS_AT: &str = "2026-01-01T00:00:00Z";

/// The connections of one client to every node. Every request is recorded.
#[derive(Debug)]
pub(super) struct Requester {
    client: u32,
    clock: Clock,
    history: Arc<History>,
    targets: Vec<Target>,
    connections: Vec<Connection>,
}

impl Requester {
    pub(super) fn new(client: u32, clock: Clock, history: Arc<History>, targets: &[Target]) -> Self {
        let connections = targets.iter().map(|target| Connection::new(target.clone(), PATIENCE)).collect();
        Self { client, clock, history, targets: targets.to_vec(), connections }
    }

    pub(super) fn nodes(&self) -> usize {
        self.targets.len()
    }

    /// Sends a request to node number `node`; `member` is empty for operators' calls. Returns the recorded outcome and
    /// the node's `Retry-After`.
    pub(super) async fn send(
        &mut self,
        node: usize,
        call: Call,
        coupon: &Arc<str>,
        member: &Arc<str>,
    ) -> (Outcome, Option<Duration>) {
        let sent_us = self.clock.now_us();
        let (outcome, retry_after) = match request(&self.targets[node], call, coupon, member) {
            Err(error) => (Outcome::Unexpected(error.to_string().into()), None),
            Ok(request) => match self.connections[node].send(request).await {
                Ok(reply) => (outcome(call, coupon, member, &reply), reply.retry_after),
                Err(failure) => (Outcome::Unknown(reason(&failure).into()), None),
            },
        };
        let op = Op {
            id: 0,
            client: self.client,
            call,
            coupon: Arc::clone(coupon),
            member: Arc::clone(member),
            node,
            sent_us,
            answered_us: self.clock.now_us(),
            outcome: outcome.clone(),
        };
        self.history.add(op);
        (outcome, retry_after)
    }
}

fn request(
    target: &Target,
    call: Call,
    coupon: &str,
    member: &str,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let issuances = || format!("/v1/coupons/{coupon}/issuances");
    let (method, path, body) = match call {
        Call::Issue => (Method::POST, issuances(), Some(json!({ "member_id": member }))),
        Call::LookUp => (Method::GET, format!("{}/{member}", issuances()), None),
        Call::Create(total) => {
            let terms = json!({ "id": coupon, "total": total, "opens_at": OPENS_AT });
            (Method::POST, "/v1/coupons".to_owned(), Some(terms))
        }
        Call::Raise(total) => {
            (Method::PATCH, format!("/v1/coupons/{coupon}"), Some(json!({ "total": total })))
        }
        Call::Pause => (Method::POST, format!("/v1/coupons/{coupon}/pause"), None),
        Call::Resume => (Method::POST, format!("/v1/coupons/{coupon}/resume"), None),
    };
    let request = Request::builder().method(method).uri(path).header(HOST, target.host().clone());
    match body {
        Some(body) => {
            request.header(CONTENT_TYPE, "application/json").body(Full::from(Value::to_string(&body)))
        }
        None => request.body(Full::default()),
    }
}

fn reason(failure: &RequestError) -> &'static str {
    match failure {
        RequestError::Unreachable(_) => "unreachable",
        RequestError::Lost(_) => "lost",
        RequestError::TimedOut(_) => "timed_out",
    }
}

/// The immutable fields of an issuance.
#[derive(Deserialize)]
struct Issuance {
    coupon_id: String,
    member_id: String,
    sequence: u32,
    code: String,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

fn outcome(call: Call, coupon: &str, member: &str, reply: &Reply) -> Outcome {
    let status = reply.status.as_u16();
    let problem = || serde_json::from_slice::<Problem>(&reply.body).map(|problem| problem.code);
    match (call, status) {
        (Call::Issue | Call::LookUp, 200 | 201) => match serde_json::from_slice::<Issuance>(&reply.body) {
            Ok(issuance) if issuance.coupon_id == coupon && issuance.member_id == member => Outcome::Issued {
                newly: status == 201,
                sequence: issuance.sequence,
                code: issuance.code.into(),
            },
            _ => unexpected(reply),
        },
        (_, 200 | 201) => Outcome::Done,
        // 408: the node had closed the idle connection before this request arrived; it was not processed.
        (_, 408) => Outcome::Unknown("hung_up".into()),
        (_, 429 | 503) => problem().map_or_else(|_| unexpected(reply), |code| Outcome::Unknown(code.into())),
        (Call::Issue | Call::LookUp, 404 | 409) => match problem().as_deref() {
            Ok("sold_out") => Outcome::Rejected(Rejection::SoldOut),
            Ok("not_open") => Outcome::Rejected(Rejection::NotOpen),
            Ok("closed") => Outcome::Rejected(Rejection::Closed),
            Ok("no_such_coupon") => Outcome::Rejected(Rejection::NoSuchCoupon),
            Ok("not_issued") => Outcome::Rejected(Rejection::NotIssued),
            _ => unexpected(reply),
        },
        _ => unexpected(reply),
    }
}

fn unexpected(reply: &Reply) -> Outcome {
    let body = String::from_utf8_lossy(&reply.body);
    let excerpt: String = body.chars().take(200).collect();
    Outcome::Unexpected(format!("{}: {excerpt}", reply.status.as_u16()).into())
}
