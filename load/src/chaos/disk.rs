//! A small disk that can be filled: a tmpfs with PostgreSQL's tables.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::fleet::process::{Watchdog, give_to, is_root};

const SIZE: &str = "size=256m";
const CHUNK_BYTES: usize = 1024 * 1024;
/// Filling by chunks leaves a rest, which is filled by pages.
const PAGE_BYTES: usize = 4096;

/// A mounted disk. Dropping it unmounts it.
#[derive(Debug)]
pub(super) struct SmallDisk {
    _watchdog: Watchdog,
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts a disk; only root may.
    ///
    /// # Errors
    /// The reason as a sentence.
    pub(super) fn mount() -> Result<Self, String> {
        if !is_root() {
            return Err("mounting a small disk needs root".to_owned());
        }
        let folder = tempfile::Builder::new().prefix("openrun-disk-").tempdir();
        let folder = folder.map_err(|error| error.to_string())?;
        let disk = Self { _watchdog: Watchdog::over(folder.path()), folder };
        fs::create_dir(disk.mounted()).map_err(|error| error.to_string())?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(disk.mounted());
        let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!("mounting a small disk failed: {stderr}"));
        }
        fs::create_dir(disk.mounted().join("tables")).map_err(|error| error.to_string())?;
        give_to("postgres", &disk.mounted().join("tables"));
        open_to_all(folder_of(&disk))?;
        open_to_all(&disk.mounted())?;
        Ok(disk)
    }

    /// Directory of the tables.
    pub(super) fn tables(&self) -> String {
        self.mounted().join("tables").to_string_lossy().into_owned()
    }

    /// Fills the disk to the last byte.
    pub(super) fn fill(&self) -> std::io::Result<()> {
        let mut file = File::create(self.filler())?;
        for size in [CHUNK_BYTES, PAGE_BYTES] {
            let chunk = vec![0; size];
            while file.write_all(&chunk).is_ok() {}
        }
        Ok(())
    }

    /// Frees the space again.
    pub(super) fn clear(&self) -> std::io::Result<()> {
        fs::remove_file(self.filler())
    }

    fn filler(&self) -> PathBuf {
        self.mounted().join("filler")
    }

    /// The watchdog unmounts folders of this name.
    fn mounted(&self) -> PathBuf {
        self.folder.path().join("disk.mounted")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that is about to end may have a file open.
        let _unmounted = Command::new("umount").arg("-l").arg(self.mounted()).stderr(Stdio::null()).status();
    }
}

fn folder_of(disk: &SmallDisk) -> &Path {
    disk.folder.path()
}

/// Lets PostgreSQL's user pass through to its directory.
fn open_to_all(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())
}
