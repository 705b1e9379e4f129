//! Runs programs beside the services: `psql`, `redis-cli`, `rabbitmqctl`.

use std::process::Command;

/// Runs a program on a blocking thread; returns its output, or an error as one sentence.
pub(crate) async fn output(mut command: Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let output = ran.map_err(|error| error.to_string())?.map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stderr: Vec<&str> = stderr.split_whitespace().collect();
        Err(format!("{name}: {}: {}", output.status, stderr.join(" ")))
    }
}
