//! A private PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Kind, Private, Signal, folder_of};
use crate::fleet::process::{command_as, give_to, run};

/// Needed because PostgreSQL refuses to run as root.
const USER: &str = "postgres";

/// A cluster with one superuser and without passwords.
#[derive(Debug, Default)]
pub struct Postgres {
    /// Settings that override the defaults, such as `max_connections=40`.
    pub settings: Vec<String>,
}

impl Kind for Postgres {
    const NAME: &'static str = "postgres";
    const READY: &'static str = "ready to accept connections";
    /// A fast shutdown, which disconnects clients.
    const STOP: Signal = Signal::Interrupt;

    fn url(port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    fn initialise(&self, data: &Path) {
        give_to(USER, data);
        let mut command = command_as(USER, &folder().join("initdb"));
        // Only the creation skips syncing; the server has its default durability.
        command
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--pgdata"])
            .arg(data);
        run(command.env("LC_ALL", "C").current_dir("/"));
    }

    fn command(&self, data: &Path, port: u16) -> Command {
        let mut command = command_as(USER, &folder().join("postgres"));
        command.arg("-D").arg(data).arg("-k").arg(data).args(["-p", &port.to_string()]);
        command
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .env("LC_ALL", "C")
            .env_remove("PGDATA")
            .current_dir("/");
        command
    }
}

impl Private<Postgres> {
    /// `psql` on the database `name` as superuser; prints unaligned rows and stops at the first error. `-c` adds a
    /// statement.
    #[must_use]
    pub fn psql(&self, name: &str) -> Command {
        let mut command = Command::new(folder().join("psql"));
        command
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .args(["--host=127.0.0.1", "--username=postgres", &format!("--port={}", self.port())])
            .arg(format!("--dbname={name}"));
        command
    }
}

fn folder() -> PathBuf {
    let folders = folders();
    folder_of("initdb", &folders.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Debian's folders of the server programs, by version.
pub(super) fn folders() -> Vec<String> {
    std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin").to_string_lossy().into_owned())
        .collect()
}
