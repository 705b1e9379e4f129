//! Programs that are run to their end beside the services: `psql`, `redis-cli`, `rabbitmqctl`.

use std::process::Command;

/// Runs it without holding up the clients; gives what it printed, or what went wrong in one sentence.
pub(crate) async fn output(mut command: Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let output = ran.map_err(|error| error.to_string())?.map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.split_whitespace().collect();
        Err(format!("{name}: {}: {}", output.status, said.join(" ")))
    }
}
