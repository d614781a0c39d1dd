//! Shutdown: the first signal asks a service to stop taking work and to finish what is in hand, within a time; the second
//! ends the process now.

use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Exit status after a second signal.
const EXIT_NOW: i32 = 130;

/// State of shutdown: asked for or not, and since when. Clones share the answer.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: CancellationToken,
    asked_at: Arc<OnceLock<Instant>>,
    grace: Duration,
}

impl Default for Shutdown {
    /// One that no signal asks for, with ten seconds for what is in hand.
    fn default() -> Self {
        Self { asked: CancellationToken::new(), asked_at: Arc::default(), grace: Duration::from_secs(10) }
    }
}

impl Shutdown {
    /// One that no signal asks for. What is in hand has `grace` to be finished.
    pub fn with_grace(grace: Duration) -> Self {
        Self { grace, ..Self::default() }
    }

    /// Listens for SIGTERM and SIGINT. What is in hand has `grace` to be finished.
    pub fn on_signals(grace: Duration) -> std::io::Result<Self> {
        let shutdown = Self::with_grace(grace);
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let asked = shutdown.clone();
        tokio::spawn(async move {
            let mut signalled = async || {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            signalled().await;
            tracing::info!(?grace, "stopping: finishing what is in hand");
            asked.ask();
            // Signals count, not whether shutdown was asked for: a service that ends by itself may be told once, and still has its time.
            signalled().await;
            tracing::warn!("second signal: stopping now");
            std::process::exit(EXIT_NOW);
        });
        Ok(shutdown)
    }

    /// Asks for shutdown.
    pub fn ask(&self) {
        self.asked_at.get_or_init(Instant::now);
        self.asked.cancel();
    }

    /// True once shutdown was asked for.
    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Returns once shutdown is asked for.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Returns once what is in hand has had its time: it must be given back now.
    pub async fn due(&self) {
        self.asked().await;
        let asked_at = self.asked_at.get().copied().unwrap_or_else(Instant::now);
        tokio::time::sleep_until(asked_at + self.grace).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, getpid, kill_process};

    #[tokio::test]
    async fn a_service_that_ends_by_itself_has_its_time_though_it_is_told_to_stop_once() {
        let shutdown = Shutdown::on_signals(Duration::from_secs(1)).expect("listens");
        let mut seen = signal(SignalKind::terminate()).expect("listens");
        shutdown.ask();
        kill_process(getpid(), Signal::TERM).expect("is sent");
        seen.recv().await.expect("comes");
        // Else the process would be gone before that: what it has in hand goes on until then.
        shutdown.due().await;
    }
}
