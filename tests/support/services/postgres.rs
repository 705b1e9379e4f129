//! A private PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::process::{command_as, give_to, run};
use super::{Kind, Signal, folder_of};

/// PostgreSQL refuses to run as root.
const USER: &str = "postgres";

/// A cluster with one superuser, whom everybody may be.
#[derive(Debug, Default)]
pub(crate) struct Postgres;

impl Kind for Postgres {
    const NAME: &'static str = "postgres";
    const READY: &'static str = "ready to accept connections";
    /// A fast shutdown: clients are thrown out.
    const STOP: Signal = Signal::Interrupt;

    fn url(port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    fn initialise(&self, data: &Path) {
        give_to(USER, data);
        let mut command = command_as(USER, &folder().join("initdb"));
        // Only the creation does without syncing: the server itself keeps its default durability.
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
            .env("LC_ALL", "C")
            .env_remove("PGDATA")
            .current_dir("/");
        command
    }
}

fn folder() -> PathBuf {
    let debian: Vec<String> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin").to_string_lossy().into_owned())
        .collect();
    folder_of("initdb", &debian.iter().map(String::as_str).collect::<Vec<_>>())
}
