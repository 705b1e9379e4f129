//! The fault harness: a short run, and tests that it finds planted bugs.

mod short;
#[cfg(feature = "planted-bugs")]
mod tester;

use std::path::PathBuf;

use openrun_load::chaos::{self, Config, Report};

/// Runs the harness against this build's binary and prints the report.
async fn run(mut config: Config) -> Report {
    // The files of a failed run go into a temporary folder, so that tests leave nothing behind.
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    config.keep = Some(folder.path().to_owned());
    let report = chaos::run(config, |line| eprintln!("{line}")).await.expect("the harness runs");
    let mut text = Vec::new();
    report.write_text(&mut text).expect("writing to memory succeeds");
    eprintln!("{}", String::from_utf8_lossy(&text));
    report
}

fn openrun() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_openrun"))
}
