//! Decides each request by one EVALSHA. Each worker has one multiplexed connection. The script keeps stock and
//! participants; there is no outbox, no broker and no database.

use std::cell::OnceCell;
use std::io;
use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Json, Path};
use actix_web::{App, HttpResponse, HttpResponseBuilder, HttpServer};
use redis::aio::MultiplexedConnection;
use redis::{Client, Script};
use serde::Serialize;

use super::{BACKLOG, IssueRequest};

const ADMIT: &str = include_str!("admit.lua");

/// It has the length of a code of openrun.
const CODE: &str = "BARE0-00000-00000-00000";
/// It has the length of a time of openrun.
const ISSUED_AT: &str = "2026-11-21T00:00:00.000Z";

/// The fields of openrun's answer, so that writing, sending and reading it costs the same.
#[derive(Serialize)]
struct Issuance<'a> {
    coupon_id: &'a str,
    member_id: &'a str,
    sequence: u32,
    code: &'static str,
    status: &'static str,
    issued_at: &'static str,
    ack: &'static str,
}

struct Worker {
    client: Client,
    script: Script,
    /// Opened by the first request: a connection belongs to the thread that opened it.
    connection: OnceCell<MultiplexedConnection>,
}

#[must_use]
pub(crate) fn stock_key(coupon: &str) -> String {
    format!("bare:{{{coupon}}}:stock")
}

pub(super) async fn bind(redis_url: &str, bind: SocketAddr) -> io::Result<(Server, SocketAddr)> {
    let client = Client::open(redis_url).map_err(io::Error::other)?;
    // Connects once, so that a wrong address fails at the start.
    client.get_multiplexed_async_connection().await.map_err(io::Error::other)?;
    let server = HttpServer::new(move || {
        let worker =
            Worker { client: client.clone(), script: Script::new(ADMIT), connection: OnceCell::new() };
        App::new()
            .app_data(Data::new(worker))
            .route("/v1/coupons/{coupon_id}/issuances", web::post().to(issue))
    })
    .backlog(BACKLOG)
    .bind(bind)?;
    let address = server.addrs().first().copied().unwrap_or(bind);
    Ok((server.run(), address))
}

async fn issue(worker: Data<Worker>, coupon: Path<String>, request: Json<IssueRequest>) -> HttpResponse {
    match admit(&worker, &coupon, &request.member_id).await {
        Ok((0, _)) => HttpResponse::Conflict().finish(),
        Ok((sequence, new)) => {
            let status = if new { StatusCode::CREATED } else { StatusCode::OK };
            HttpResponseBuilder::new(status).json(Issuance {
                coupon_id: &coupon,
                member_id: &request.member_id,
                sequence,
                code: CODE,
                status: "UNUSED",
                issued_at: ISSUED_AT,
                ack: "granted",
            })
        }
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

/// Returns the sequence and whether it is new; the sequence is 0 if the coupon is sold out.
async fn admit(worker: &Worker, coupon: &str, member: &str) -> redis::RedisResult<(u32, bool)> {
    let mut connection = match worker.connection.get() {
        Some(connection) => connection.clone(),
        None => {
            let opened = worker.client.get_multiplexed_async_connection().await?;
            worker.connection.get_or_init(|| opened).clone()
        }
    };
    let mut call = worker.script.key(stock_key(coupon));
    call.key(format!("bare:{{{coupon}}}:participants")).arg(member).invoke_async(&mut connection).await
}
