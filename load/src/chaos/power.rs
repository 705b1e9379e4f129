//! What a power failure takes from Redis: everything that was written and not synced. A killed process loses nothing of
//! that, because the kernel keeps it; so a library that is loaded into Redis notes what was synced, and after a kill the
//! rest is cut off.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::command::output;
use crate::fleet::process::Watchdog;

const SOURCE: &str = include_str!("sync_log.c");
/// Where Redis keeps the files that it appends to.
const APPENDED: &str = "appendonlydir";
/// How the names end of those that grow; the others are complete before they are named.
const GROWING: &str = ".incr.aof";

/// Watches what Redis syncs.
#[derive(Debug)]
pub(super) struct SyncLog {
    _watchdog: Watchdog,
    folder: TempDir,
    /// How much slower the disk is.
    delay: Duration,
}

impl SyncLog {
    /// Builds the library with the C compiler of this machine.
    ///
    /// # Errors
    /// Why that is not possible here, in words.
    pub(super) async fn prepare(delay: Duration) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("openrun-sync-").tempdir();
        let folder = folder.map_err(|error| error.to_string())?;
        let log = Self { _watchdog: Watchdog::over(folder.path()), folder, delay };
        let source = log.folder.path().join("sync_log.c");
        fs::write(&source, SOURCE).map_err(|error| error.to_string())?;
        fs::create_dir(log.notes()).map_err(|error| error.to_string())?;
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(log.library()).arg(&source).arg("-ldl");
        output(command).await.map_err(|why| format!("syncs cannot be watched: {why}"))?;
        Ok(log)
    }

    /// What makes a Redis note its syncs.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut environment = vec![
            ("LD_PRELOAD".to_owned(), text(self.library())),
            ("OPENRUN_SYNC_LOG".to_owned(), text(self.notes())),
        ];
        if !self.delay.is_zero() {
            environment.push(("OPENRUN_SYNC_DELAY_MS".to_owned(), self.delay.as_millis().to_string()));
        }
        environment
    }

    /// Cuts what was never synced off the files of a Redis that has been killed; gives how many bytes that were.
    ///
    /// # Errors
    /// A file cannot be read or cut.
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
        let note = self.notes().join(path.to_string_lossy().replace('/', "%"));
        fs::read_to_string(note).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("sync_log.so")
    }

    fn notes(&self) -> PathBuf {
        self.folder.path().join("notes")
    }
}
