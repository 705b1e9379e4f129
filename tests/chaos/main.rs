//! The fault harness: a short run of it, and whether it would notice.

mod short;
#[cfg(feature = "planted-bugs")]
mod tester;

use std::path::PathBuf;

use openrun_load::chaos::{self, Config, Report};

/// Runs it against the binary of this build, and prints what it says.
async fn run(mut config: Config) -> Report {
    // What is kept of a run that found something is in the way after a test.
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    config.keep = Some(folder.path().to_owned());
    let report = chaos::run(config, |line| eprintln!("{line}")).await.expect("it can be run");
    let mut text = Vec::new();
    report.write_text(&mut text).expect("memory takes everything");
    eprintln!("{}", String::from_utf8_lossy(&text));
    report
}

fn openrun() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_openrun"))
}
