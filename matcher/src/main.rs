//! throughline-matcher: matches chunk analyses in order and finalises recordings.

use clap::Parser;
use service_kit::shutdown::Shutdown;
use service_kit::telemetry::Telemetry;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = matcher::Config::parse();
    let telemetry = Telemetry::start(
        "throughline-matcher",
        config.telemetry.log_format,
        config.telemetry.otlp_endpoint.as_deref(),
    )?;
    let shutdown = Shutdown::on_signals()?;
    matcher::run(config, shutdown, telemetry.metrics()).await
}
