//! The command `bare`: its flags, and the one line that it prints.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use openrun_load::bare::{self, Kind, SERVES};

/// What the service of this version says when it is sold out, to begin with.
const ANSWER: &str =
    r#"{"type":"urn:openrun:problem:sold_out","title":"Sold out","status":409,"code":"sold_out"}"#;

#[derive(Debug, Args)]
pub(crate) struct BareArgs {
    /// Which handler
    #[arg(long, value_enum)]
    kind: KindName,
    /// Where it listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    bind: SocketAddr,
    /// For `evalsha`
    #[arg(long, env = "OPENRUN_REDIS_URL", default_value = "redis://127.0.0.1:6379", value_name = "URL")]
    redis_url: String,
    /// For `fixed`: answer with what is in this file
    #[arg(long, value_name = "FILE")]
    answer: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindName {
    /// Reads the JSON, and says the same to everybody
    Fixed,
    /// Reads the JSON, and decides by one EVALSHA
    Evalsha,
}

/// Serves until it is told to end.
pub(crate) fn run(args: BareArgs) -> anyhow::Result<bool> {
    let kind = match args.kind {
        KindName::Fixed => Kind::Fixed { answer: answer(args.answer.as_ref())? },
        KindName::Evalsha => Kind::Evalsha { redis_url: args.redis_url },
    };
    // A crowd is one connection each; what the system does not allow is refused by it when it comes to that.
    let _as_many_as_allowed = rlimit::increase_nofile_limit(u64::MAX);
    let serving = bare::serve(kind, args.bind, |address| {
        // Nothing is left to be done where standard output is closed.
        let _closed = writeln!(io::stdout(), "{SERVES} at {address}");
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
