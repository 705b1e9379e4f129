//! A short run of the fault harness, and the check that it finds planted bugs.

mod short;
#[cfg(feature = "planted-bugs")]
mod tester;

use std::path::PathBuf;

use openrun_load::chaos::{self, Config, Report};

/// Runs the harness against the binary of this build, and prints its report.
async fn run(mut config: Config) -> Report {
    // A run with violations keeps its data, which a test does not need.
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    config.keep = Some(folder.path().to_owned());
    let report = chaos::run(config, |line| eprintln!("{line}")).await.expect("the harness can run");
    let mut text = Vec::new();
    report.write_text(&mut text).expect("writing into memory succeeds");
    eprintln!("{}", String::from_utf8_lossy(&text));
    report
}

fn openrun() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_openrun"))
}
