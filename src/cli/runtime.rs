//! An actix system on a multi-threaded tokio runtime, shared by actors, HTTP server and clients.

use std::process::ExitCode;

use super::failure::Failure;

pub(super) fn run(body: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::operator(format!("cannot start threads ({error})")))?;
    let mut runtime = Some(runtime);
    let system = actix::System::with_tokio_rt(move || match runtime.take() {
        Some(runtime) => runtime,
        None => unreachable!("a system asks for one runtime"),
    });
    system.block_on(body)
}

/// Returns after SIGTERM or Ctrl-C.
pub(super) async fn wait_for_stop_signal() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| Failure::operator(format!("cannot receive signals: {error}")))?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
        _ = tokio::signal::ctrl_c() => tracing::info!("Ctrl-C: shutting down"),
    }
    Ok(())
}
