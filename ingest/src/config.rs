//! Config: every setting of the service, from flags and the environment.

use anyhow::bail;
use clap::Parser;
use diarization::blocks::{DEFAULT_CHUNK_BLOCKS, MAX_CHUNK_BLOCKS};
use service_kit::config::{BrokerConfig, DatabaseConfig, StoreConfig, TelemetryConfig};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Takes uploads, decodes them and answers who spoke when.
#[derive(Parser, Clone, Debug)]
#[command(name = "throughline-ingest", version)]
pub struct Config {
    /// Address of the API, and of /healthz, /readyz and /metrics; port 0 takes a free one. Anything but loopback needs an
    /// API token.
    #[arg(long, env = "THROUGHLINE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Token that every call of /v1 must bring as `Authorization: Bearer TOKEN`.
    #[arg(long, env = "THROUGHLINE_API_TOKEN", hide_env_values = true)]
    pub api_token: Option<ApiToken>,
    /// Largest upload taken, in bytes.
    #[arg(long, env = "THROUGHLINE_MAX_UPLOAD_BYTES", default_value_t = 4 << 30, value_parser = clap::value_parser!(u64).range(1..=1 << 50))]
    pub max_upload_bytes: u64,
    /// Longest recording taken, in hours.
    #[arg(long, env = "THROUGHLINE_MAX_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_hours: u32,
    /// Blocks of 59.94 s per chunk where the uploader does not say; the result does not depend on it.
    #[arg(long, env = "THROUGHLINE_CHUNK_BLOCKS", default_value_t = DEFAULT_CHUNK_BLOCKS as u32, value_parser = clap::value_parser!(u32).range(1..=MAX_CHUNK_BLOCKS as i64))]
    pub chunk_blocks: u32,
    /// Where RabbitMQ is.
    #[command(flatten)]
    pub broker: BrokerConfig,
    /// Where uploads and chunks are.
    #[command(flatten)]
    pub store: StoreConfig,
    /// Where Postgres is.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Folder with manifest.json and the models [default: models/ nearby].
    #[arg(long, env = "THROUGHLINE_MODELS")]
    pub models: Option<PathBuf>,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

impl Config {
    /// Refuses settings that do not go together.
    pub fn check(&self) -> anyhow::Result<()> {
        if !self.listen.ip().is_loopback() && self.api_token.is_none() {
            bail!(
                "{} can be reached from other machines, so the API needs a token: set THROUGHLINE_API_TOKEN, or listen on 127.0.0.1",
                self.listen
            );
        }
        Ok(())
    }
}

/// The API token, kept as a digest only: it can be checked, not printed.
#[derive(Clone)]
pub struct ApiToken([u8; 32]);

impl ApiToken {
    /// True for the right token. The time taken tells nothing: digests are compared, and all of their bytes.
    pub fn is(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.iter().zip(given).fold(0, |different, (a, b)| different | (a ^ b)) == 0
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

/// The token cannot be sent in a header.
#[derive(Debug, thiserror::Error)]
#[error(
    "the API token must be printable ASCII characters without blanks, and not empty; leave the variable unset for no token"
)]
pub struct BadToken;

impl FromStr for ApiToken {
    type Err = BadToken;

    fn from_str(token: &str) -> Result<Self, BadToken> {
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(BadToken);
        }
        Ok(Self(Sha256::digest(token).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &[&str]) -> Result<Config, clap::Error> {
        let needed = ["ingest", "--object-store=file:///o", "--database-url=postgres://d"];
        Config::try_parse_from(needed.iter().chain(arguments))
    }

    #[test]
    fn an_address_that_others_can_reach_needs_a_token() {
        let open = config(&["--listen=0.0.0.0:8080"]).expect("parses");
        let why = open.check().expect_err("is refused").to_string();
        assert!(why.contains("THROUGHLINE_API_TOKEN"), "{why}");
        config(&["--listen=0.0.0.0:8080", "--api-token=s3cret"]).expect("parses").check().expect("is fine");
        config(&["--listen=[::1]:8080"]).expect("parses").check().expect("is fine");
    }

    #[test]
    fn a_token_is_checked_and_never_printed() {
        let token: ApiToken = "s3cret".parse().expect("a token");
        assert!(token.is(b"s3cret") && !token.is(b"s3cre") && !token.is(b""));
        assert!(!format!("{token:?}").contains("s3cret"));
        assert!("".parse::<ApiToken>().is_err() && "two words".parse::<ApiToken>().is_err());
    }

    #[test]
    fn chunks_of_no_blocks_and_of_too_many_are_refused() {
        assert!(config(&["--chunk-blocks=0"]).is_err() && config(&["--chunk-blocks=21"]).is_err());
        assert_eq!(config(&["--chunk-blocks=20"]).expect("parses").chunk_blocks, 20);
    }
}
