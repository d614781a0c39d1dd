//! Config: what an operator can set.

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use service_kit::config::{AdminConfig, BrokerConfig, DatabaseConfig, StoppingConfig, TelemetryConfig};
use std::time::Duration;

/// Matches chunk analyses in order, names speakers and finalises recordings.
#[derive(Parser, Clone, Debug)]
#[command(name = "throughline-matcher", version)]
pub struct Config {
    /// Where RabbitMQ is.
    #[command(flatten)]
    pub broker: BrokerConfig,
    /// Where Postgres is.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// Operator's address.
    #[command(flatten)]
    pub admin: AdminConfig,
    /// How it stops.
    #[command(flatten)]
    pub stopping: StoppingConfig,
    /// Seconds between two looks for recordings that can move without a message, and for a broker that has lost its data.
    #[arg(long, env = "THROUGHLINE_RECONCILE_SECONDS", default_value_t = 10, value_parser = RangedU64ValueParser::<u64>::new().range(1..=3600))]
    pub reconcile_seconds: u64,
    /// Seconds without any progress after which the jobs of a recording are taken for lost and sent again.
    #[arg(long, env = "THROUGHLINE_REPUBLISH_SECONDS", default_value_t = 600, value_parser = RangedU64ValueParser::<u64>::new().range(1..=86_400))]
    pub republish_seconds: u64,
}

impl Config {
    /// Time between two looks for recordings that can move.
    pub fn reconcile_every(&self) -> Duration {
        Duration::from_secs(self.reconcile_seconds)
    }

    /// Time without progress after which jobs are sent again.
    pub fn republish_after(&self) -> Duration {
        Duration::from_secs(self.republish_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
        let given = ["throughline-matcher", "--database-url", "postgres://somewhere/x"];
        Config::try_parse_from(given.iter().chain(arguments))
    }

    #[test]
    fn the_database_alone_is_enough_to_start() {
        let config = parse(&[]).expect("parses");
        assert!(config.reconcile_every() < config.republish_after());
    }

    #[test]
    fn an_interval_of_nothing_is_refused() {
        assert!(parse(&["--reconcile-seconds", "0"]).is_err());
        assert!(parse(&["--republish-seconds", "0"]).is_err());
    }
}
