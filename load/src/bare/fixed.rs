//! The cheapest true handler there is: it parses the JSON, and answers bytes that it has.

use std::io;
use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::web::{self, Bytes, Data, Json};
use actix_web::{App, HttpResponse, HttpServer};

use super::{Ask, BACKLOG};

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

async fn refuse(answer: Data<Bytes>, ask: Json<Ask>) -> HttpResponse {
    // The member has been read, and is of no interest.
    drop(ask);
    HttpResponse::Conflict().content_type("application/problem+json").body(Bytes::clone(&answer))
}
