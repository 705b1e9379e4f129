//! A disk so small that it can be filled: memory, mounted where PostgreSQL keeps the tables.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::fleet::process::{Watchdog, give_to, is_root};

const SIZE: &str = "size=256m";
const CHUNK_BYTES: usize = 1024 * 1024;
/// What is left after filling it up by chunks is filled by pages.
const PAGE_BYTES: usize = 4096;

/// The disk. Dropping it unmounts it.
#[derive(Debug)]
pub(super) struct SmallDisk {
    _watchdog: Watchdog,
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one, where that is allowed.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn mount() -> Result<Self, String> {
        if !is_root() {
            return Err("only root may mount a small disk".to_owned());
        }
        let folder = tempfile::Builder::new().prefix("openrun-disk-").tempdir();
        let folder = folder.map_err(|error| error.to_string())?;
        let disk = Self { _watchdog: Watchdog::over(folder.path()), folder };
        fs::create_dir(disk.mounted()).map_err(|error| error.to_string())?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(disk.mounted());
        let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!("a small disk cannot be mounted here: {said}"));
        }
        fs::create_dir(disk.mounted().join("tables")).map_err(|error| error.to_string())?;
        give_to("postgres", &disk.mounted().join("tables"));
        open_to_all(folder_of(&disk))?;
        open_to_all(&disk.mounted())?;
        Ok(disk)
    }

    /// Where the tables are.
    pub(super) fn tables(&self) -> String {
        self.mounted().join("tables").to_string_lossy().into_owned()
    }

    /// Leaves no byte on it.
    pub(super) fn fill(&self) -> std::io::Result<()> {
        let mut file = File::create(self.filler())?;
        for size in [CHUNK_BYTES, PAGE_BYTES] {
            let chunk = vec![0; size];
            while file.write_all(&chunk).is_ok() {}
        }
        Ok(())
    }

    /// Gives the room back.
    pub(super) fn clear(&self) -> std::io::Result<()> {
        fs::remove_file(self.filler())
    }

    fn filler(&self) -> PathBuf {
        self.mounted().join("filler")
    }

    /// The watchdog knows what to unmount by this name.
    fn mounted(&self) -> PathBuf {
        self.folder.path().join("disk.mounted")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that still ends may have a file open.
        let _unmounted = Command::new("umount").arg("-l").arg(self.mounted()).stderr(Stdio::null()).status();
    }
}

fn folder_of(disk: &SmallDisk) -> &Path {
    disk.folder.path()
}

/// PostgreSQL's user passes through to a directory of its own.
fn open_to_all(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())
}
