//! Process: what the `main` of every service does.

use crate::config::{StoppingConfig, TelemetryConfig};
use crate::shutdown::Shutdown;
use crate::telemetry::Telemetry;
use metrics_exporter_prometheus::PrometheusHandle;
use rustix::fs::Mode;
use std::time::Duration;

/// Longest time for giving back what is in hand, past the time it had to be finished.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for threads that no signal reaches (a decoder, an inference).
const THREADS_WITHIN: Duration = Duration::from_millis(500);

/// Runs `work` as the service `name` until it ends by itself or a signal stops it. A service that was asked to stop ends in
/// the configured time whatever hangs in it.
pub fn run<F>(
    name: &'static str,
    telemetry: &TelemetryConfig,
    stopping: &StoppingConfig,
    work: impl FnOnce(Shutdown, PrometheusHandle) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    // Whatever is written is somebody's voice, or about it, and no other user's of this machine.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let telemetry = Telemetry::start(name, telemetry.log_format, telemetry.otlp_endpoint.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let shutdown = Shutdown::on_signals(Duration::from_secs(stopping.shutdown_seconds))?;
        let overdue = async {
            shutdown.due().await;
            tokio::time::sleep(GIVE_BACK_WITHIN).await;
        };
        tokio::select! {
            outcome = Box::pin(work(shutdown.clone(), telemetry.metrics())) => outcome,
            () = overdue => {
                tracing::warn!("something does not stop; ending without it: the broker gives its message to others");
                Ok(())
            }
        }
    });
    runtime.shutdown_timeout(THREADS_WITHIN);
    outcome
}
