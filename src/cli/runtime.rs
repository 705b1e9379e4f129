//! The actix system over a multi-threaded tokio runtime, which serves actors, HTTP and every client together.

use std::process::ExitCode;

use super::failure::Failure;

/// Runs `body` to its end inside a system.
pub(super) fn run(body: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::operator(format!("no threads can be started ({error})")))?;
    let mut runtime = Some(runtime);
    let system = actix::System::with_tokio_rt(move || match runtime.take() {
        Some(runtime) => runtime,
        None => unreachable!("a system makes one runtime"),
    });
    system.block_on(body)
}

/// Waits for SIGTERM or Ctrl-C.
pub(super) async fn until_told_to_stop() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::operator(format!("no signals: {error}")))?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
        _ = tokio::signal::ctrl_c() => tracing::info!("Ctrl-C: shutting down"),
    }
    Ok(())
}
