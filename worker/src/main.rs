//! The worker's process.

use clap::Parser;
use service_kit::shutdown::Shutdown;
use service_kit::telemetry::Telemetry;
use worker::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let telemetry = Telemetry::start(
        "throughline-worker",
        config.telemetry.log_format,
        config.telemetry.otlp_endpoint.as_deref(),
    )?;
    worker::run(config, Shutdown::on_signals()?, telemetry.metrics()).await
}
