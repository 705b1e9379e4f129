//! A Prometheus of a test's own, on the rules of the repository, which fire at once.

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

/// It is gone when the value is dropped.
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
            fs::write(folder.path().join(name), at_once(&text)).expect("it can be written");
        }
        let targets = nodes.iter().map(|node| format!("'{node}'")).collect::<Vec<_>>().join(", ");
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: ['{}/*.yml']\n\
             scrape_configs: [{{ job_name: openrun, static_configs: [{{ targets: [{targets}] }}] }}]\n",
            folder.path().display()
        );
        let settings = folder.path().join("prometheus.yaml");
        fs::write(&settings, config).expect("it can be written");
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

    /// The alerts that fire now.
    pub(crate) async fn firing(&self) -> Vec<String> {
        let url = format!("http://127.0.0.1:{}/api/v1/alerts", self.port);
        let answer = http().get(url).send().await.expect("Prometheus answers");
        let said: Value = answer.json().await.expect("it says so in JSON");
        let alerts = said["data"]["alerts"].as_array().expect("a list").iter();
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        firing.map(|alert| alert["labels"]["alertname"].as_str().expect("a name").to_owned()).collect()
    }

    /// Waits until `alert` fires.
    pub(crate) async fn until_it_fires(&self, alert: &str) {
        let fires = async || self.firing().await.iter().any(|name| name == alert).then_some(());
        until(&format!("{alert} fires"), fires).await;
    }

    /// Waits until `alert` does not fire.
    pub(crate) async fn until_it_is_clear(&self, alert: &str) {
        let clear = async || (!self.firing().await.iter().any(|name| name == alert)).then_some(());
        until(&format!("{alert} is clear"), clear).await;
    }
}

/// The same rules, which do not wait before they fire.
fn at_once(rules: &str) -> String {
    let line = |line: &str| match line.split_once("for: ") {
        Some((indentation, _)) if indentation.trim().is_empty() => format!("{indentation}for: 0s\n"),
        _ => format!("{line}\n"),
    };
    rules.lines().map(line).collect()
}
