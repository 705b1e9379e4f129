//! Finds out the features of the binary under test by running it.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::faults::ABORT_SETTING;
use super::node::openrun;
use super::planted::SETTING as PLANTED_SETTING;

/// An abort point that every binary with abort points passes.
const AT_START: &str = "started:1";
/// No bug has this name: a binary with planted bugs refuses it.
const NO_BUG: &str = "none-of-this-name";

/// Checks that the program can be run.
pub(crate) async fn is_openrun(program: &Path) -> Result<(), String> {
    let status = status(program, None).await?;
    if status.success() { Ok(()) } else { Err(format!("{} --version fails", program.display())) }
}

/// Checks that the binary has abort points.
pub(super) async fn aborts(program: &Path) -> Result<(), String> {
    let died = status(program, Some((ABORT_SETTING, AT_START))).await?.signal().is_some();
    died.then_some(()).ok_or_else(|| "openrun was built without the feature test-panics".to_owned())
}

/// Checks that the binary has planted bugs.
pub(super) async fn plants(program: &Path) -> Result<(), String> {
    let refused = !status(program, Some((PLANTED_SETTING, NO_BUG))).await?.success();
    refused.then_some(()).ok_or_else(|| "openrun was built without the feature planted-bugs".to_owned())
}

async fn status(program: &Path, setting: Option<(&str, &str)>) -> Result<std::process::ExitStatus, String> {
    let mut command = openrun(program);
    command.arg("--version").envs(setting);
    let ran =
        tokio::task::spawn_blocking(move || command.output()).await.map_err(|error| error.to_string())?;
    let output = ran.map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
    Ok(output.status)
}
