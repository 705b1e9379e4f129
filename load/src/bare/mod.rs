//! Handlers that do next to nothing, to compare with: what the web server alone costs (`fixed`), and what it costs with
//! one script on Redis a request (`evalsha`). Nothing that makes openrun keep its promises is in them.

mod evalsha;
mod fixed;

use std::io;
use std::net::SocketAddr;

use actix_web::dev::Server;

pub(crate) use self::evalsha::stock_key;
use serde::Deserialize;

/// As the service has it: a crowd comes all at once.
const BACKLOG: u32 = 16_384;

/// What the process prints once it can be asked.
pub const SERVES: &str = "bare handler serves";

/// Which handler.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Reads the request and says the same to everybody.
    Fixed {
        /// The body of the answer, which is 409.
        answer: String,
    },
    /// Reads the request and decides by one EVALSHA.
    Evalsha {
        /// Which Redis.
        redis_url: String,
    },
}

/// What is asked, as the service reads it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    member_id: String,
}

/// Listens on `bind` with as many workers as actix-web takes by default, and serves until the process ends.
///
/// # Errors
/// The address is taken, or Redis cannot be reached.
pub async fn serve(kind: Kind, bind: SocketAddr, ready: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let (server, address) = match kind {
        Kind::Fixed { answer } => fixed::bind(answer, bind)?,
        Kind::Evalsha { redis_url } => evalsha::bind(&redis_url, bind).await?,
    };
    let server: Server = server;
    ready(address);
    server.await
}
