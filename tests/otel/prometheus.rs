//! A private Prometheus with the rules of the repository, changed to fire without delay.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::files::rules;
use crate::support::ports::free_port;
use crate::support::process::{Process, Watchdog};
use crate::support::races::{http, until};

const START_BOUND: Duration = Duration::from_secs(60);
const READY: &str = "Server is ready to receive web requests";

/// Runs until it is dropped.
pub(crate) struct Prometheus {
    // Fields are dropped in this order: the process before the directory it writes to.
    _process: Process,
    _watchdog: Watchdog,
    _folder: TempDir,
    port: u16,
}

impl Prometheus {
    /// Scrapes `nodes` every second.
    pub(crate) async fn watching(nodes: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let mut watchdog = Watchdog::over(folder.path());
        for (path, text) in rules() {
            let name = path.file_name().expect("a name");
            fs::write(folder.path().join(name), without_delay(&text)).expect("the file can be written");
        }
        let targets = nodes.iter().map(|node| format!("'{node}'")).collect::<Vec<_>>().join(", ");
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: ['{}/*.yml']\n\
             scrape_configs: [{{ job_name: openrun, static_configs: [{{ targets: [{targets}] }}] }}]\n",
            folder.path().display()
        );
        let settings = folder.path().join("prometheus.yaml");
        fs::write(&settings, config).expect("the file can be written");
        let port = free_port();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(folder.path());
        let mut process = Process::spawn(&mut command, &folder.path().join("log"), &mut watchdog);
        process.until_logged(READY, START_BOUND).await;
        Self { _process: process, _watchdog: watchdog, _folder: folder, port }
    }

    /// The names of the firing alerts.
    pub(crate) async fn firing(&self) -> Vec<String> {
        let url = format!("http://127.0.0.1:{}/api/v1/alerts", self.port);
        let answer = http().get(url).send().await.expect("Prometheus answers");
        let body: Value = answer.json().await.expect("JSON");
        let alerts = body["data"]["alerts"].as_array().expect("a list").iter();
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        firing.map(|alert| alert["labels"]["alertname"].as_str().expect("a name").to_owned()).collect()
    }

    pub(crate) async fn until_it_fires(&self, alert: &str) {
        let fires = async || self.firing().await.iter().any(|name| name == alert).then_some(());
        until(&format!("{alert} fires"), fires).await;
    }

    pub(crate) async fn until_it_is_clear(&self, alert: &str) {
        let clear = async || (!self.firing().await.iter().any(|name| name == alert)).then_some(());
        until(&format!("{alert} is clear"), clear).await;
    }
}

/// The same rules without a waiting time.
fn without_delay(rules: &str) -> String {
    let line = |line: &str| match line.split_once("for: ") {
        Some((indentation, _)) if indentation.trim().is_empty() => format!("{indentation}for: 0s\n"),
        _ => format!("{line}\n"),
    };
    rules.lines().map(line).collect()
}
