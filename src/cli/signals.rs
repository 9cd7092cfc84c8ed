//! SIGINT and SIGTERM: requests for an orderly shutdown.

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;

/// A future that is ready when somebody wants this process to end. Made at once, so that no signal
/// is missed.
pub fn ended() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let failed = |e: std::io::Error| Failure::failed(format!("signals can't be listened for: {e}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
