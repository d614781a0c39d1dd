//! `throughline-ingest`: the upload API, the decoder and the outbox in one process.

use clap::Parser;
use ingest::Config;
use service_kit::process;

fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let (telemetry, stopping) = (config.telemetry.clone(), config.stopping.clone());
    process::run("throughline-ingest", &telemetry, &stopping, |shutdown, metrics| {
        ingest::run(config, shutdown, metrics)
    })
}
