//! What an operator does before and after a load, over HTTP: makes coupons, sells one out, reads what the service counts.

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};

use crate::api::{Answer, Coupon, IssueRequests, Refusal, coupon_request};
use crate::connection::{Connection, Failure, REQUEST_TIMEOUT, Reply};
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
pub enum OperatorError {
    /// Nobody answers.
    #[error("{target} does not answer: start openrun there, or name another --target ({source})")]
    Unreachable {
        /// Who was asked.
        target: Target,
        /// What happened.
        source: Failure,
    },
    /// A coupon cannot be made.
    #[error(
        "{target} makes no coupon: {said}; with a token set there, name it by --admin-token, or use --coupon"
    )]
    NotMade {
        /// Who was asked.
        target: Target,
        /// What it said.
        said: String,
    },
    /// A coupon's terms cannot be read.
    #[error("{target} does not tell of coupon `{coupon}`: {said}")]
    NotTold {
        /// Who was asked.
        target: Target,
        /// For what.
        coupon: String,
        /// What it said.
        said: String,
    },
    /// A coupon with a stock of one was issued, and is not sold out.
    #[error("coupon `{coupon}` is not sold out after its last one was issued: {said}")]
    NotSoldOut {
        /// Which.
        coupon: String,
        /// What a stranger was told.
        said: String,
    },
    /// The parts do not make a request.
    #[error("the request cannot be built: {0}")]
    Request(#[from] hyper::http::Error),
}

/// One who may make operators' calls.
#[derive(Debug)]
pub struct Operator {
    target: Target,
    token: Option<String>,
    connection: Connection,
}

impl Operator {
    /// By token or, where the service has none, by calling over loopback.
    #[must_use]
    pub fn new(target: Target, token: Option<String>) -> Self {
        let connection = Connection::new(target.clone(), REQUEST_TIMEOUT);
        Self { target, token, connection }
    }

    async fn ask(&mut self, request: Request<Full<bytes::Bytes>>) -> Result<Reply, OperatorError> {
        let asked = self.connection.ask(request).await;
        asked.map_err(|source| OperatorError::Unreachable { target: self.target.clone(), source })
    }

    /// Makes a coupon that is open at once.
    ///
    /// # Errors
    /// [`OperatorError`] says what to do.
    pub async fn create(&mut self, coupon: &str, total: u32) -> Result<(), OperatorError> {
        let body = serde_json::json!({ "id": coupon, "total": total }).to_string();
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/v1/coupons")
            .header(HOST, self.target.host().clone())
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let reply = self.ask(request.body(Full::from(body))?).await?;
        if matches!(reply.status, StatusCode::CREATED | StatusCode::OK) {
            return Ok(());
        }
        Err(OperatorError::NotMade { target: self.target.clone(), said: said(&reply) })
    }

    /// The terms of a coupon, and how many are issued.
    ///
    /// # Errors
    /// [`OperatorError`] says what to do.
    pub async fn show(&mut self, coupon: &str) -> Result<Coupon, OperatorError> {
        let request = coupon_request(&self.target, coupon)?;
        let reply = self.ask(request).await?;
        let untold = |_| OperatorError::NotTold {
            target: self.target.clone(),
            coupon: coupon.to_owned(),
            said: said(&reply),
        };
        serde_json::from_slice(&reply.body).map_err(untold)
    }

    /// Makes a coupon of which there is one, gives it away and waits until everybody else is told that it is sold out;
    /// gives the body of that answer.
    ///
    /// # Errors
    /// [`OperatorError`] says what to do.
    pub async fn create_sold_out(&mut self, coupon: &str) -> Result<bytes::Bytes, OperatorError> {
        self.create(coupon, 1).await?;
        let (holder, strangers) = (
            IssueRequests::new(&self.target, coupon, ONLY_HOLDER)?,
            IssueRequests::new(&self.target, coupon, "a-stranger-")?,
        );
        let deadline = Instant::now() + SOLD_OUT_BOUND;
        let mut held = false;
        for number in 0.. {
            // The holder asks until they hold it, and strangers after that.
            let request = if held { strangers.of_member(number) } else { holder.of_member(0) };
            let reply = self.ask(request).await?;
            match Answer::read(&reply) {
                Answer::Issued(_) | Answer::Repeated(_) => held = true,
                Answer::Refused(Refusal::SoldOut) => return Ok(reply.body),
                _ if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                _ => return Err(OperatorError::NotSoldOut { coupon: coupon.to_owned(), said: said(&reply) }),
            }
        }
        unreachable!("numbers do not end")
    }
}

fn said(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    let excerpt: String = body.chars().take(EXCERPT_CHARS).collect();
    format!("{} {excerpt}", reply.status.as_u16())
}
