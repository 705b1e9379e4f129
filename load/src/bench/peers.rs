//! The FastAPI stack to compare with: FastAPI, redis-py and aio-pika with confirms, in a Python environment
//! that is created once and kept beside this program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lapin::options::QueueDeleteOptions;
use lapin::{Connection, ConnectionProperties};

use super::server::Server;
use super::{BenchError, bench_error};
use crate::chaos::command::output;
use crate::fleet::ports::free_port;

const APP: &str = include_str!("../../peers/fastapi/app.py");
const REQUIREMENTS: &str = include_str!("../../peers/fastapi/requirements.txt");
/// The queue that the stack publishes to.
const QUEUE: &str = "peers.issuances";
const CLEAR_BOUND: Duration = Duration::from_secs(30);

pub(super) struct PeerStack {
    folder: PathBuf,
}

impl PeerStack {
    /// Creates the environment, or reuses one with the same requirements.
    pub(super) async fn prepare(program: &Path, on_progress: impl Fn(&str)) -> Result<Self, BenchError> {
        let folder = program.with_file_name("openrun-peers");
        std::fs::create_dir_all(&folder).map_err(bench_error)?;
        std::fs::write(folder.join("app.py"), APP).map_err(bench_error)?;
        let requirements = folder.join("requirements.txt");
        let installed = folder.join("made-for.txt");
        std::fs::write(&requirements, REQUIREMENTS).map_err(bench_error)?;
        if std::fs::read_to_string(&installed).ok().as_deref() != Some(REQUIREMENTS) {
            on_progress("creating a Python environment for the FastAPI stack");
            let mut make = Command::new("python3");
            make.args(["-m", "venv", "--clear"]).arg(folder.join("venv"));
            output(make).await?;
            let mut install = Command::new(folder.join("venv/bin/pip"));
            install
                .args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
                .arg(&requirements);
            output(install).await?;
            std::fs::write(&installed, REQUIREMENTS).map_err(bench_error)?;
        }
        Ok(Self { folder })
    }

    pub(super) fn stock_key(coupon: &str) -> String {
        format!("coupon:{coupon}:stock")
    }

    /// Starts the stack with one worker for each processor, as uvicorn's documentation recommends.
    pub(super) async fn start(&self, redis_url: &str, amqp_url: &str) -> Result<Server, BenchError> {
        let port = free_port();
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut command = Command::new(self.folder.join("venv/bin/uvicorn"));
        command
            .args(["app:app", "--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--workers", &workers.to_string(), "--no-access-log", "--backlog", "16384"])
            .current_dir(&self.folder)
            .env("REDIS_URL", redis_url)
            .env("AMQP_URL", amqp_url)
            .env("QUEUE", QUEUE);
        Server::peer(command, port, "Application startup complete").await
    }

    /// Deletes the messages that the stack has published; they have no consumer.
    pub(super) async fn clear(&self, amqp_url: &str) -> Result<(), BenchError> {
        let clearing = async {
            let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await?;
            connection.close(200, "result".into()).await
        };
        let result = tokio::time::timeout(CLEAR_BOUND, clearing).await;
        result
            .map_err(|_| BenchError("RabbitMQ does not delete the peers' queue".to_owned()))?
            .map_err(bench_error)
    }
}
