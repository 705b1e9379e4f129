//! What an operator does before and after a load, over HTTP: makes coupons, sells one out, reads what the service counts.

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};

use crate::api::{Answer, Coupon, IssueRequests, Rejection, coupon_request};
use crate::connection::{Connection, REQUEST_TIMEOUT, Reply, RequestError};
use crate::target::Target;

/// How long a coupon may take from its last issuance until everybody hears that it is sold out.
const SOLD_OUT_BOUND: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// How much of an answer that was not expected is quoted.
const EXCERPT_CHARS: usize = 160;

/// Who gets the only coupon of one that is to be sold out. No member of a load has this name.
const ONLY_HOLDER: &str = "the-only-holder";

/// Why an operator's call had no success. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody answers.
    #[error("{target} does not answer: start openrun there, or name another --target ({source})")]
    Unreachable {
        /// Who was asked.
        target: Target,
        /// What happened.
        source: RequestError,
    },
    /// A coupon cannot be made.
    #[error(
        "{target} makes no coupon: {response}; with a token set there, name it by --admin-token, or use --coupon"
    )]
    CreateRejected {
        /// Who was asked.
        target: Target,
        /// What it said.
        response: String,
    },
    /// A coupon's terms cannot be read.
    #[error("{target} does not tell of coupon `{coupon}`: {response}")]
    Unreadable {
        /// Who was asked.
        target: Target,
        /// For what.
        coupon: String,
        /// What it said.
        response: String,
    },
    /// A coupon with a stock of one was issued, and is not sold out.
    #[error("coupon `{coupon}` is not sold out after its last one was issued: {response}")]
    NotSoldOut {
        /// Which.
        coupon: String,
        /// What a stranger was told.
        response: String,
    },
    /// The parts do not make a request.
    #[error("the request cannot be built: {0}")]
    Request(#[from] hyper::http::Error),
}

/// One who may make operators' calls.
#[derive(Debug)]
pub struct AdminClient {
    target: Target,
    token: Option<String>,
    connection: Connection,
}

impl AdminClient {
    /// By token or, where the service has none, by calling over loopback.
    #[must_use]
    pub fn new(target: Target, token: Option<String>) -> Self {
        let connection = Connection::new(target.clone(), REQUEST_TIMEOUT);
        Self { target, token, connection }
    }

    async fn send(&mut self, request: Request<Full<bytes::Bytes>>) -> Result<Reply, AdminError> {
        let asked = self.connection.send(request).await;
        asked.map_err(|source| AdminError::Unreachable { target: self.target.clone(), source })
    }

    /// Makes a coupon that is open at once.
    ///
    /// # Errors
    /// [`AdminError`] says what to do.
    pub async fn create_coupon(&mut self, coupon: &str, total: u32) -> Result<(), AdminError> {
        let body = serde_json::json!({ "id": coupon, "total": total }).to_string();
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/v1/coupons")
            .header(HOST, self.target.host().clone())
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let reply = self.send(request.body(Full::from(body))?).await?;
        if matches!(reply.status, StatusCode::CREATED | StatusCode::OK) {
            return Ok(());
        }
        Err(AdminError::CreateRejected { target: self.target.clone(), response: response(&reply) })
    }

    /// The terms of a coupon, and how many are issued.
    ///
    /// # Errors
    /// [`AdminError`] says what to do.
    pub async fn fetch_coupon(&mut self, coupon: &str) -> Result<Coupon, AdminError> {
        let request = coupon_request(&self.target, coupon)?;
        let reply = self.send(request).await?;
        let unreadable = |_| AdminError::Unreadable {
            target: self.target.clone(),
            coupon: coupon.to_owned(),
            response: response(&reply),
        };
        serde_json::from_slice(&reply.body).map_err(unreadable)
    }

    /// Makes a coupon of which there is one, gives it away and waits until everybody else is told that it is sold out;
    /// gives the body of that answer.
    ///
    /// # Errors
    /// [`AdminError`] says what to do.
    pub async fn create_sold_out_coupon(&mut self, coupon: &str) -> Result<bytes::Bytes, AdminError> {
        self.create_coupon(coupon, 1).await?;
        let (holder, strangers) = (
            IssueRequests::new(&self.target, coupon, ONLY_HOLDER)?,
            IssueRequests::new(&self.target, coupon, "a-stranger-")?,
        );
        let deadline = Instant::now() + SOLD_OUT_BOUND;
        let mut held = false;
        for number in 0.. {
            // The holder asks until they hold it, and strangers after that.
            let request = if held { strangers.for_member(number) } else { holder.for_member(0) };
            let reply = self.send(request).await?;
            match Answer::parse(&reply) {
                Answer::Issued(_) | Answer::Repeated(_) => held = true,
                Answer::Rejected(Rejection::SoldOut) => return Ok(reply.body),
                _ if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                _ => {
                    return Err(AdminError::NotSoldOut {
                        coupon: coupon.to_owned(),
                        response: response(&reply),
                    });
                }
            }
        }
        unreachable!("numbers do not end")
    }
}

fn response(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    let excerpt: String = body.chars().take(EXCERPT_CHARS).collect();
    format!("{} {excerpt}", reply.status.as_u16())
}
