//! The command `bare`: its flags, and the one line that it prints.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use openrun_load::bare::{self, Kind, READY_LINE};

/// The body that openrun of this version sends for "sold out".
const ANSWER: &str =
    r#"{"type":"urn:openrun:problem:sold_out","title":"Sold out","status":409,"code":"sold_out"}"#;

#[derive(Debug, Args)]
pub(crate) struct BareArgs {
    /// The handler to serve
    #[arg(long, value_enum)]
    kind: KindName,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    bind: SocketAddr,
    /// The Redis that `evalsha` uses
    #[arg(long, env = "OPENRUN_REDIS_URL", default_value = "redis://127.0.0.1:6379", value_name = "URL")]
    redis_url: String,
    /// The file with the body that `fixed` answers; by default openrun's "sold out"
    #[arg(long, value_name = "FILE")]
    answer: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindName {
    /// Parses the JSON, and sends the same answer to every request
    Fixed,
    /// Parses the JSON, and decides by one EVALSHA
    Evalsha,
}

/// Serves until the process is ended.
pub(crate) fn run(args: BareArgs) -> anyhow::Result<bool> {
    let kind = match args.kind {
        KindName::Fixed => Kind::Fixed { answer: answer(args.answer.as_ref())? },
        KindName::Evalsha => Kind::Evalsha { redis_url: args.redis_url },
    };
    // A burst takes one connection for each member. If the limit cannot be raised, reaching it is reported as an error.
    let _raised_as_far_as_permitted = rlimit::increase_nofile_limit(u64::MAX);
    let serving = bare::serve(kind, args.bind, |address| {
        // A closed standard output leaves nothing to do.
        let _closed = writeln!(io::stdout(), "{READY_LINE} at {address}");
    });
    actix_web::rt::System::new()
        .block_on(serving)
        .with_context(|| format!("nothing is served at {}", args.bind))?;
    Ok(true)
}

fn answer(file: Option<&PathBuf>) -> anyhow::Result<String> {
    let Some(file) = file else { return Ok(ANSWER.to_owned()) };
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}
