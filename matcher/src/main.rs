//! throughline-matcher: matches chunk analyses in order and finalises recordings.

use clap::Parser;
use service_kit::process;

fn main() -> anyhow::Result<()> {
    let config = matcher::Config::parse();
    let (telemetry, stopping) = (config.telemetry.clone(), config.stopping.clone());
    process::run("throughline-matcher", &telemetry, &stopping, |shutdown, metrics| {
        matcher::run(config, shutdown, metrics)
    })
}
