//! A client of the operators' interface: creates coupons, sells one out and reads the issued count.

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};

use crate::api::{Answer, Coupon, IssueRequests, Rejection, coupon_request};
use crate::connection::{Connection, REQUEST_TIMEOUT, Reply, RequestError};
use crate::target::Target;

/// The longest time from the last issuance of a coupon until the service answers "sold out".
const SOLD_OUT_BOUND: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

const EXCERPT_CHARS: usize = 160;

/// The member that gets the one issuance of a sold-out coupon. No member of a load has this id.
const ONLY_HOLDER: &str = "the-only-holder";

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{target} does not answer: start openrun there, or name another --target ({source})")]
    Unreachable { target: Target, source: RequestError },
    #[error(
        "{target} refuses to create a coupon: {response}; if it has a token, pass it by --admin-token, or use --coupon"
    )]
    CreateRejected { target: Target, response: String },
    #[error("{target} does not show coupon `{coupon}`: {response}")]
    Unreadable { target: Target, coupon: String, response: String },
    #[error("coupon `{coupon}` is not sold out after its last one was issued: {response}")]
    NotSoldOut { coupon: String, response: String },
    #[error("the request cannot be built: {0}")]
    Request(#[from] hyper::http::Error),
}

#[derive(Debug)]
pub struct AdminClient {
    target: Target,
    token: Option<String>,
    connection: Connection,
}

impl AdminClient {
    /// Authenticates by token or, where the service has none, by connecting over loopback.
    #[must_use]
    pub fn new(target: Target, token: Option<String>) -> Self {
        let connection = Connection::new(target.clone(), REQUEST_TIMEOUT);
        Self { target, token, connection }
    }

    async fn send(&mut self, request: Request<Full<bytes::Bytes>>) -> Result<Reply, AdminError> {
        let reply = self.connection.send(request).await;
        reply.map_err(|source| AdminError::Unreachable { target: self.target.clone(), source })
    }

    /// Creates a coupon that is open at once.
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
        Err(AdminError::CreateRejected { target: self.target.clone(), response: excerpt_of(&reply) })
    }

    pub async fn fetch_coupon(&mut self, coupon: &str) -> Result<Coupon, AdminError> {
        let request = coupon_request(&self.target, coupon)?;
        let reply = self.send(request).await?;
        let unreadable = |_| AdminError::Unreadable {
            target: self.target.clone(),
            coupon: coupon.to_owned(),
            response: excerpt_of(&reply),
        };
        serde_json::from_slice(&reply.body).map_err(unreadable)
    }

    /// Creates a coupon with a total of one, issues it, and waits until other members get "sold out". Returns
    /// the body of that answer.
    pub async fn create_sold_out_coupon(&mut self, coupon: &str) -> Result<bytes::Bytes, AdminError> {
        self.create_coupon(coupon, 1).await?;
        let holder = IssueRequests::new(&self.target, coupon, ONLY_HOLDER)?;
        let others = IssueRequests::new(&self.target, coupon, "a-stranger-")?;
        let deadline = Instant::now() + SOLD_OUT_BOUND;
        let mut is_issued = false;
        for number in 0.. {
            // Requests as the holder until the coupon is issued, and as other members from then on.
            let request = if is_issued { others.for_member(number) } else { holder.for_member(0) };
            let reply = self.send(request).await?;
            match Answer::parse(&reply) {
                Answer::Issued(_) | Answer::Repeated(_) => is_issued = true,
                Answer::Rejected(Rejection::SoldOut) => return Ok(reply.body),
                _ if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                _ => {
                    return Err(AdminError::NotSoldOut {
                        coupon: coupon.to_owned(),
                        response: excerpt_of(&reply),
                    });
                }
            }
        }
        unreachable!("numbers do not end")
    }
}

fn excerpt_of(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    let excerpt: String = body.chars().take(EXCERPT_CHARS).collect();
    format!("{} {excerpt}", reply.status.as_u16())
}
