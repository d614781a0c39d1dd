//! The worker's process.

use clap::Parser;
use service_kit::process;
use worker::Config;

fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let (telemetry, stopping) = (config.telemetry.clone(), config.stopping.clone());
    process::run("throughline-worker", &telemetry, &stopping, |shutdown, metrics| {
        worker::run(config, shutdown, metrics)
    })
}
