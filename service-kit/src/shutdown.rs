//! Shutdown: the first signal asks services to stop taking work, the second ends the process now.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Whether shutdown was asked for. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Listens for SIGTERM and SIGINT.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let asked = shutdown.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if asked.is_asked() {
                    tracing::warn!("second signal: stopping now");
                    std::process::exit(130);
                }
                tracing::info!("stopping: finishing what is in hand");
                asked.ask();
            }
        });
        Ok(shutdown)
    }

    /// Asks for shutdown.
    pub fn ask(&self) {
        self.0.cancel();
    }

    /// True once shutdown was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns once shutdown is asked for.
    pub async fn asked(&self) {
        self.0.cancelled().await;
    }
}
