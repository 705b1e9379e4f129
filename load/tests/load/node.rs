//! A real node on the embedded engine, from the binary that was built beside this program.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use openrun_load::Target;
use openrun_load::fleet::ports::free_port;
use openrun_load::fleet::process::{Process, Watchdog};
use tempfile::TempDir;

const START_BOUND: Duration = Duration::from_secs(60);

/// The binary belongs to another package, so Cargo does not build it for these tests alone.
pub(crate) fn openrun() -> PathBuf {
    let openrun = Path::new(env!("CARGO_BIN_EXE_openrun-load")).with_file_name("openrun");
    assert!(openrun.is_file(), "build it first: cargo build --workspace");
    openrun
}

pub(crate) struct Node {
    pub(crate) target: Target,
    _process: Process,
    _watchdog: Watchdog,
    _folder: TempDir,
}

impl Node {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let mut watchdog = Watchdog::over(folder.path());
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = Command::new(openrun());
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OPENRUN_"))
        {
            command.env_remove(name);
        }
        command.args(["serve", "--bind", &address.to_string(), "--data-dir"]).arg(folder.path().join("data"));
        let mut process = Process::spawn(&mut command, &folder.path().join("node.log"), &mut watchdog);
        process.until_logged("openrun serves", START_BOUND).await;
        Self { target: Target::from(address), _process: process, _watchdog: watchdog, _folder: folder }
    }
}
