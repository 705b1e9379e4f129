//! The cheapest handler that reads its request: it parses the JSON, and sends a fixed body.

use std::io;
use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::web::{self, Bytes, Data, Json};
use actix_web::{App, HttpResponse, HttpServer};

use super::{BACKLOG, IssueRequest};

pub(super) fn bind(answer: String, bind: SocketAddr) -> io::Result<(Server, SocketAddr)> {
    let answer = Bytes::from(answer);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(answer.clone()))
            .route("/v1/coupons/{coupon_id}/issuances", web::post().to(refuse))
    })
    .backlog(BACKLOG)
    .bind(bind)?;
    let address = server.addrs().first().copied().unwrap_or(bind);
    Ok((server.run(), address))
}

async fn refuse(answer: Data<Bytes>, request: Json<IssueRequest>) -> HttpResponse {
    // Parsing is part of the cost; the member is not used.
    drop(request);
    HttpResponse::Conflict().content_type("application/problem+json").body(Bytes::clone(&answer))
}
