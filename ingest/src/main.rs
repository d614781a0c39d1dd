//! `throughline-ingest`: the upload API, the decoder and the outbox in one process.

use clap::Parser;
use ingest::Config;
use service_kit::shutdown::Shutdown;
use service_kit::telemetry::Telemetry;

fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let telemetry = Telemetry::start(
        "throughline-ingest",
        config.telemetry.log_format,
        config.telemetry.otlp_endpoint.as_deref(),
    )?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let shutdown = Shutdown::on_signals()?;
        ingest::run(config, shutdown, telemetry.metrics()).await
    })
}
