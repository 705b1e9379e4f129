//! A private RabbitMQ, with an Erlang port mapper of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Kind, Private, Signal, folder_of};
use crate::fleet::ports::free_port;
use crate::fleet::process::{command_as, give_to};

const USER: &str = "rabbitmq";
/// Debian's folder of the start scripts that require no particular user and directory.
pub(super) const ELSEWHERE: &[&str] = &["/usr/lib/rabbitmq/bin"];

/// Erlang's ports beside the AMQP port.
#[derive(Debug)]
pub struct RabbitMq {
    epmd_port: u16,
    distribution_port: u16,
}

impl Default for RabbitMq {
    fn default() -> Self {
        Self { epmd_port: free_port(), distribution_port: free_port() }
    }
}

impl Kind for RabbitMq {
    const NAME: &'static str = "rabbitmq";
    const READY: &'static str = "Server startup complete";
    const STOP: Signal = Signal::Terminate;

    fn url(port: u16) -> String {
        format!("amqp://guest:guest@127.0.0.1:{port}/%2f")
    }

    fn initialise(&self, data: &Path) {
        fs::write(data.join("enabled_plugins"), "").expect("the data directory is ours");
        give_to(USER, data);
    }

    fn command(&self, data: &Path, port: u16) -> Command {
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\n\
             vm_memory_high_watermark.absolute = 1GB\n\
             disk_free_limit.absolute = 1MB\n\
             raft.wal_max_size_bytes = 16777216\n"
        );
        fs::write(data.join("rabbitmq.conf"), settings).expect("the data directory is ours");
        give_to(USER, data);
        // The server's own start script: Debian's wrapper requires a particular user and directory.
        let folder = folder_of("rabbitmq-server", ELSEWHERE);
        let mut command = command_as(USER, &folder.join("rabbitmq-server"));
        command
            .current_dir("/")
            .env("HOME", data)
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", node_name(port))
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", data.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", data.join("log"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_CONFIG_FILE", data.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", data.join("none"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", data.join("generated"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", data.join("enabled_plugins"))
            // Makes the start script exec the server.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            // Schedulers without busy waiting leave the processors to the tests.
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-noinput +sbwt none +sbwtdcpu none +sbwtdio none");
        command
    }

    /// Erlang's port mapper, which would otherwise start as a daemon and outlive the test.
    fn companion(&self) -> Option<Command> {
        let mut command = command_as(USER, Path::new("epmd"));
        command.args(["-port", &self.epmd_port.to_string(), "-address", "127.0.0.1"]).current_dir("/");
        Some(command)
    }
}

impl Private<RabbitMq> {
    /// `rabbitmqctl` for this broker. Takes a second or two, because it starts an Erlang VM.
    #[must_use]
    pub fn control(&self) -> Command {
        let mut command = command_as(USER, &folder_of("rabbitmqctl", ELSEWHERE).join("rabbitmqctl"));
        command
            .current_dir("/")
            .env("HOME", self.data())
            .env("ERL_EPMD_PORT", self.kind().epmd_port.to_string())
            .env("RABBITMQ_NODENAME", node_name(self.port()))
            .env("RABBITMQ_CONF_ENV_FILE", self.data().join("none"));
        command
    }
}

fn node_name(port: u16) -> String {
    format!("openrun-{port}@localhost")
}
