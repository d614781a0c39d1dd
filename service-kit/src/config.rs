//! Configuration that services share: every setting is a flag and an environment variable.

use crate::telemetry::LogFormat;
use clap::Args;
use std::net::SocketAddr;

/// Where RabbitMQ is.
#[derive(Args, Clone, Debug)]
pub struct BrokerConfig {
    /// AMQP address of RabbitMQ.
    #[arg(
        long,
        env = "THROUGHLINE_AMQP_URL",
        hide_env_values = true,
        default_value = "amqp://guest:guest@127.0.0.1:5672/%2f"
    )]
    pub amqp_url: String,
}

/// Where uploads and chunks are.
#[derive(Args, Clone, Debug)]
pub struct StoreConfig {
    /// Object store: file:///folder or s3://bucket/prefix.
    #[arg(long, env = "THROUGHLINE_OBJECT_STORE", hide_env_values = true)]
    pub object_store: String,
}

/// Where Postgres is.
#[derive(Args, Clone, Debug)]
pub struct DatabaseConfig {
    /// Address of Postgres.
    #[arg(long, env = "THROUGHLINE_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Connections held at most for work; one more is kept for readiness, and one that holds the place of a recording being completed.
    #[arg(long, env = "THROUGHLINE_DATABASE_CONNECTIONS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_connections: u32,
}

/// Logs, traces and the operator's address.
#[derive(Args, Clone, Debug)]
pub struct TelemetryConfig {
    /// How log lines look; THROUGHLINE_LOG sets what is logged (for example `info,matcher=debug`).
    #[arg(long, env = "THROUGHLINE_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// OTLP/HTTP collector for traces; none are exported without.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    pub otlp_endpoint: Option<String>,
}

/// Address of health and metrics, apart from everything that users reach.
#[derive(Args, Clone, Debug)]
pub struct AdminConfig {
    /// Address of /healthz, /readyz and /metrics, which need no token: keep it inside. Port 0 takes a free one [default: on 127.0.0.1, the
    /// first free port from 9101 on for workers, from 9111 on for matchers and from 9121 on for ingest].
    #[arg(long, env = "THROUGHLINE_ADMIN_LISTEN")]
    pub admin_listen: Option<SocketAddr>,
}

/// How a service stops.
#[derive(Args, Clone, Debug)]
pub struct StoppingConfig {
    /// Seconds that what is in hand has to be finished after SIGTERM or SIGINT; then it is given back. A second signal ends
    /// the process at once.
    #[arg(long, env = "THROUGHLINE_SHUTDOWN_SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub shutdown_seconds: u64,
}
