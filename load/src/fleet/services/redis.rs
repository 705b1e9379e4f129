//! A private Redis.

use std::path::Path;
use std::process::Command;

use super::{Kind, Signal};

/// Arguments after those of durable mode, which they may override.
#[derive(Debug, Default)]
pub struct Redis {
    pub extra_arguments: Vec<String>,
    /// Environment variables of the server.
    pub environment: Vec<(String, String)>,
}

impl Kind for Redis {
    const NAME: &'static str = "redis";
    const READY: &'static str = "Ready to accept connections";
    const STOP: Signal = Signal::Terminate;

    fn url(port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }

    fn initialise(&self, _data: &Path) {}

    fn command(&self, data: &Path, port: u16) -> Command {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"])
            .arg("--dir")
            .arg(data)
            .args(&self.extra_arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}
