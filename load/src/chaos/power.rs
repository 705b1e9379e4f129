//! Simulates the loss of unsynced writes by a power failure. Killing Redis loses none of them, because the kernel keeps
//! them; so a preloaded library records the synced length of each file, and after a kill the files are truncated to it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::command::output;
use crate::fleet::process::Watchdog;

const SOURCE: &str = include_str!("sync_log.c");
/// Folder of Redis's append-only files.
const APPENDED: &str = "appendonlydir";
/// Suffix of the files that grow; the others are complete before they get their names.
const GROWING: &str = ".incr.aof";

/// The recorded syncs of a Redis.
#[derive(Debug)]
pub(super) struct SyncLog {
    _watchdog: Watchdog,
    folder: TempDir,
    /// Additional delay of each sync.
    delay: Duration,
}

impl SyncLog {
    /// Compiles the library with this machine's C compiler.
    ///
    /// # Errors
    /// The reason as a sentence.
    pub(super) async fn prepare(delay: Duration) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("openrun-sync-").tempdir();
        let folder = folder.map_err(|error| error.to_string())?;
        let log = Self { _watchdog: Watchdog::over(folder.path()), folder, delay };
        let source = log.folder.path().join("sync_log.c");
        fs::write(&source, SOURCE).map_err(|error| error.to_string())?;
        fs::create_dir(log.records()).map_err(|error| error.to_string())?;
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(log.library()).arg(&source).arg("-ldl");
        output(command)
            .await
            .map_err(|why| format!("the library that records syncs cannot be built: {why}"))?;
        Ok(log)
    }

    /// Environment of a Redis whose syncs are recorded.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut environment = vec![
            ("LD_PRELOAD".to_owned(), text(self.library())),
            ("OPENRUN_SYNC_LOG".to_owned(), text(self.records())),
        ];
        if !self.delay.is_zero() {
            environment.push(("OPENRUN_SYNC_DELAY_MS".to_owned(), self.delay.as_millis().to_string()));
        }
        environment
    }

    /// Truncates the files of a killed Redis to their synced lengths; returns the number of lost bytes.
    ///
    /// # Errors
    /// Reading or truncating a file failed.
    pub(super) fn lose_unsynced(&self, data: &Path) -> std::io::Result<u64> {
        let mut lost = 0;
        for entry in fs::read_dir(data.join(APPENDED))? {
            let path = entry?.path();
            if !path.to_string_lossy().ends_with(GROWING) {
                continue;
            }
            let length = fs::metadata(&path)?.len();
            let synced = self.synced(&fs::canonicalize(&path)?).min(length);
            File::options().write(true).open(&path)?.set_len(synced)?;
            lost += length - synced;
        }
        Ok(lost)
    }

    fn synced(&self, path: &Path) -> u64 {
        let record = self.records().join(path.to_string_lossy().replace('/', "%"));
        fs::read_to_string(record).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("sync_log.so")
    }

    fn records(&self) -> PathBuf {
        self.folder.path().join("records")
    }
}
