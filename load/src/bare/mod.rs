//! Minimal handlers to compare with: the web server without any decision (`fixed`), and with one Redis script
//! for each request (`evalsha`). They have nothing of openrun's durability.

mod evalsha;
mod fixed;

use std::io;
use std::net::SocketAddr;

use serde::Deserialize;

pub(crate) use self::evalsha::stock_key;

/// The same as openrun's. It is long because all connections of a burst arrive at once.
const BACKLOG: u32 = 16_384;

/// The line that the process prints when it accepts requests.
pub const READY_LINE: &str = "bare handler serves";

#[derive(Clone, Debug)]
pub enum Kind {
    /// Parses the request and sends the same answer to every member.
    Fixed {
        /// The body of the 409 answer.
        answer: String,
    },
    /// Parses the request and decides by one EVALSHA.
    Evalsha { redis_url: String },
}

/// Unknown fields are refused, as by openrun.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IssueRequest {
    member_id: String,
}

/// Listens on `bind` with actix-web's default number of workers, and serves until the process ends.
pub async fn serve(kind: Kind, bind: SocketAddr, ready: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let (server, address) = match kind {
        Kind::Fixed { answer } => fixed::bind(answer, bind)?,
        Kind::Evalsha { redis_url } => evalsha::bind(&redis_url, bind).await?,
    };
    ready(address);
    server.await
}
