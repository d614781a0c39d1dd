//! Limits: how much at once, and how slow, clients may be.

use super::list::List;
use clap::Args;
use std::net::IpAddr;
use std::time::Duration;

/// How much at once, and how slow, clients may be.
#[derive(Args, Clone, Debug)]
pub struct LimitsConfig {
    /// Uploads received at once; one more is answered 429. Each takes up to 24 MiB of memory.
    #[arg(long, env = "THROUGHLINE_MAX_CONCURRENT_UPLOADS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_concurrent_uploads: u32,
    /// Of these, from one address (of IPv6 from one network of 64 bits); one more is answered 429.
    #[arg(long, env = "THROUGHLINE_MAX_UPLOADS_PER_ADDRESS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_uploads_per_address: u32,
    /// Corrections worked out at once; each takes a thread and a connection to the database.
    #[arg(long, env = "THROUGHLINE_MAX_CONCURRENT_CORRECTIONS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_concurrent_corrections: u32,
    /// Corrections that wait for those; one more is answered 429.
    #[arg(long, env = "THROUGHLINE_MAX_WAITING_CORRECTIONS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub max_waiting_corrections: u32,
    /// Connections at once; more wait until one ends.
    #[arg(long, env = "THROUGHLINE_MAX_CONNECTIONS", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections: u32,
    /// Of these, from one address (of IPv6 from one network of 64 bits); one more is answered 429. Not counted for THROUGHLINE_PROXIES.
    #[arg(long, env = "THROUGHLINE_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections_per_address: u32,
    /// Addresses of reverse proxies before this service, with commas between: what they say in X-Forwarded-For is believed.
    #[arg(long, env = "THROUGHLINE_PROXIES", default_value = "", hide_default_value = true)]
    pub proxies: List<IpAddr>,
    /// Seconds that a client may take for the head of a request, or leave a connection idle before it.
    #[arg(long, env = "THROUGHLINE_HEAD_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub head_seconds: u64,
    /// Longest that one upload may take, in seconds.
    #[arg(long, env = "THROUGHLINE_MAX_UPLOAD_SECONDS", default_value_t = 21_600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub max_upload_seconds: u64,
    /// Seconds that a client may send or take nothing in the middle of a request.
    #[arg(long, env = "THROUGHLINE_SILENCE_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub silence_seconds: u64,
    /// Bytes per second that a client must send or take on average while it is waited for, looked at after every 15 seconds of that; 0 asks
    /// for none.
    #[arg(long, env = "THROUGHLINE_MIN_BYTES_PER_SECOND", default_value_t = 4096)]
    pub min_bytes_per_second: u64,
    /// Resumable uploads that are not complete, in all; one more is answered 429.
    #[arg(long, env = "THROUGHLINE_MAX_OPEN_UPLOADS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_open_uploads: u32,
    /// Of these, with one token; one more is answered 429.
    #[arg(long, env = "THROUGHLINE_MAX_OPEN_UPLOADS_PER_CALLER", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_open_uploads_per_caller: u32,
    /// Seconds after which a resumable upload that is not complete goes, counted from the last bytes that came.
    #[arg(long, env = "THROUGHLINE_UPLOAD_EXPIRES_SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub upload_expires_seconds: u64,
}

impl LimitsConfig {
    /// Longest time that a client may take for the head of a request.
    pub fn head(&self) -> Duration {
        Duration::from_secs(self.head_seconds)
    }

    /// Longest time that a client may be silent.
    pub fn silence(&self) -> Duration {
        Duration::from_secs(self.silence_seconds)
    }

    /// Longest that one upload may take.
    pub fn upload_within(&self) -> Duration {
        Duration::from_secs(self.max_upload_seconds)
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl LimitsConfig {
    /// The defaults.
    pub fn of_tests() -> Self {
        Self {
            max_concurrent_uploads: 16,
            max_uploads_per_address: 8,
            max_concurrent_corrections: 2,
            max_waiting_corrections: 8,
            max_connections: 512,
            max_connections_per_address: 128,
            proxies: List::default(),
            head_seconds: 10,
            max_upload_seconds: 21_600,
            silence_seconds: 60,
            min_bytes_per_second: 4096,
            max_open_uploads: 1000,
            max_open_uploads_per_caller: 500,
            upload_expires_seconds: 86_400,
        }
    }
}
