//! Config: every setting of the service, from flags and the environment.

pub(crate) mod hosts;
mod limits;
pub mod list;
pub mod scopes;
mod strength;
pub(crate) mod tokens;
mod webhooks;
mod work;

use crate::decode::reader::Program;
use anyhow::bail;
use clap::Parser;
use decoder::Limits;
use diarization::blocks::MAX_CHUNK_BLOCKS;
use service_kit::config::{
    AdminConfig, BrokerConfig, DatabaseConfig, StoppingConfig, StoreConfig, TelemetryConfig,
};
use std::net::SocketAddr;
use std::path::PathBuf;

pub use hosts::HostsConfig;
pub use limits::LimitsConfig;
pub use tokens::TokensConfig;
pub use webhooks::WebhooksConfig;
pub use work::WorkConfig;

/// Blocks per chunk. A recording that comes in waits for what workers have in hand, so that is short; shorter still, and too much is analysed
/// twice at the borders (a window in nine at two blocks, one in five at one).
const CHUNK_BLOCKS: u32 = 2;

/// Takes uploads, decodes them and answers who spoke when.
#[derive(Parser, Clone, Debug)]
#[command(name = "throughline-ingest", version)]
pub struct Config {
    /// Address of the API and the pages; port 0 takes a free one. Anything but loopback needs an API token.
    #[arg(long, env = "THROUGHLINE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Health and metrics.
    #[command(flatten)]
    pub admin: AdminConfig,
    /// By which names.
    #[command(flatten)]
    pub hosts: HostsConfig,
    /// Who may call the API.
    #[command(flatten)]
    pub tokens: TokensConfig,
    /// How much at once, and how slow, clients may be.
    #[command(flatten)]
    pub limits: LimitsConfig,
    /// Where events may be sent.
    #[command(flatten)]
    pub webhooks: WebhooksConfig,
    /// Largest upload taken, in bytes.
    #[arg(long, env = "THROUGHLINE_MAX_UPLOAD_BYTES", default_value_t = 4 << 30, value_parser = clap::value_parser!(u64).range(1..=1 << 50))]
    pub max_upload_bytes: u64,
    /// Longest recording taken, in hours.
    #[arg(long, env = "THROUGHLINE_MAX_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_hours: u32,
    /// Blocks of 59.94 s per chunk where the uploader does not say; the result does not depend on it.
    #[arg(long, env = "THROUGHLINE_CHUNK_BLOCKS", default_value_t = CHUNK_BLOCKS, value_parser = clap::value_parser!(u32).range(1..=MAX_CHUNK_BLOCKS as i64))]
    pub chunk_blocks: u32,
    /// How much is under way at once.
    #[command(flatten)]
    pub work: WorkConfig,
    /// Where RabbitMQ is.
    #[command(flatten)]
    pub broker: BrokerConfig,
    /// Where uploads and chunks are.
    #[command(flatten)]
    pub store: StoreConfig,
    /// Where Postgres is.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Connections held at most for calls that only read, besides those for work.
    #[arg(long, env = "THROUGHLINE_DATABASE_READ_CONNECTIONS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_read_connections: u32,
    /// Folder with manifest.json and the models [default: models/ nearby].
    #[arg(long, env = "THROUGHLINE_MODELS")]
    pub models: Option<PathBuf>,
    /// Longest that fetching and decoding one recording may take, in seconds; one that takes longer is refused.
    #[arg(long, env = "THROUGHLINE_DECODE_SECONDS", default_value_t = 1200, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub decode_seconds: u64,
    /// The program that decodes uploads [default: throughline-decoder beside this one].
    #[arg(long, env = "THROUGHLINE_DECODER")]
    pub decoder: Option<PathBuf>,
    /// Most memory for decoding one upload, in MiB of addresses.
    #[arg(long, env = "THROUGHLINE_DECODER_MEMORY_MIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(64..=1 << 20))]
    pub decoder_memory_mib: u64,
    /// Seconds between two looks for what lies in the object store and belongs to no recording.
    #[arg(long, env = "THROUGHLINE_SWEEP_SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub sweep_seconds: u64,
    /// Days for which it is kept who did what (`GET /v1/audit`).
    #[arg(long, env = "THROUGHLINE_AUDIT_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub audit_days: u32,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// How it stops.
    #[command(flatten)]
    pub stopping: StoppingConfig,
}

impl Config {
    /// Refuses settings that do not go together.
    pub fn check(&self) -> anyhow::Result<()> {
        if !self.listen.ip().is_loopback() && !self.tokens.any() {
            bail!(
                "{} can be reached from other machines, so the API needs a token: set THROUGHLINE_API_TOKEN_SHA256 (`throughline token` makes one), or listen on 127.0.0.1",
                self.listen
            );
        }
        let decoder = self.decoder()?.path;
        if !decoder.is_file() {
            bail!(
                "there is no {}, which decodes uploads: install it beside throughline-ingest, or say where it is with THROUGHLINE_DECODER",
                decoder.display()
            );
        }
        Ok(())
    }

    /// Program that decodes uploads, and its limits.
    ///
    /// # Errors
    ///
    /// Fails where the program is not named and the place of this program cannot be found out.
    pub fn decoder(&self) -> anyhow::Result<Program> {
        let path = self.decoder.clone().map_or_else(decoder::program, Ok)?;
        // It may be at work for all of the time on one core.
        let limits = Limits { memory_mib: self.decoder_memory_mib, cpu_seconds: self.decode_seconds };
        Ok(Program { path, limits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &[&str]) -> Result<Config, clap::Error> {
        let needed = ["ingest", "--object-store=file:///o", "--database-url=postgres://d"];
        Config::try_parse_from(needed.iter().chain(arguments))
    }

    /// Any file that is there.
    const DECODER: &str = concat!("--decoder=", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

    #[test]
    fn an_address_that_others_can_reach_needs_a_token() {
        let open = config(&[DECODER, "--listen=0.0.0.0:8080"]).expect("parses");
        let why = open.check().expect_err("is refused").to_string();
        assert!(why.contains("THROUGHLINE_API_TOKEN"), "{why}");
        for token in [
            "--api-token=kQ7vXw2mZp9RtB4nLs8H".to_owned(),
            format!("--api-token-sha256={}", "0f".repeat(32)),
            "--api-tokens-file=t".to_owned(),
        ] {
            config(&[DECODER, "--listen=0.0.0.0:8080", &token]).expect("parses").check().expect("is fine");
        }
        config(&[DECODER, "--listen=[::1]:8080"]).expect("parses").check().expect("is fine");
    }

    #[test]
    fn names_and_proxies_that_are_set_to_nothing_are_none() {
        let config = config(&[DECODER, "--hosts=", "--proxies="]).expect("parses");
        assert!(config.hosts.hosts.0.is_empty() && config.limits.proxies.0.is_empty());
    }

    #[test]
    fn a_decoder_that_is_not_there_is_said_at_the_start() {
        let why =
            config(&["--decoder=/no/decoder"]).expect("parses").check().expect_err("is refused").to_string();
        assert!(why.contains("/no/decoder") && why.contains("THROUGHLINE_DECODER"), "{why}");
    }

    #[test]
    fn chunks_of_no_blocks_and_of_too_many_are_refused() {
        assert!(config(&["--chunk-blocks=0"]).is_err() && config(&["--chunk-blocks=21"]).is_err());
        assert_eq!(config(&["--chunk-blocks=20"]).expect("parses").chunk_blocks, 20);
    }
}
