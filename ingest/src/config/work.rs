//! Work: how much of it is under way at once.

use clap::Args;

/// How much is under way at once.
#[derive(Args, Clone, Debug)]
pub struct WorkConfig {
    /// Recordings that this process decodes at once. Each takes a process while it does.
    #[arg(long, env = "THROUGHLINE_DECODERS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub decoders: u32,
    /// Recordings that this process keeps half decoded while their chunks wait for workers; others are begun again later. Each
    /// takes up to 40 MB of memory, and its upload a temporary file.
    #[arg(long, env = "THROUGHLINE_HELD_DECODINGS", default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub held_decodings: u32,
    /// Chunks of one recording that are cut and not yet analysed, before its decoding waits; more where there are more workers.
    #[arg(long, env = "THROUGHLINE_CHUNKS_AHEAD", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub chunks_ahead: u32,
    /// Chunk jobs on the broker beside those that workers have in hand [default: one for every four threads of workers].
    /// Few let a new recording overtake sooner; with too few, workers wait for work.
    #[arg(long, env = "THROUGHLINE_CHUNKS_QUEUED", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub chunks_queued: Option<u32>,
    /// Hours of audio that may be undone at a time; an upload past that is answered 429.
    #[arg(long, env = "THROUGHLINE_MAX_UNDONE_HOURS", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_undone_hours: u32,
    /// Of these, of one token's.
    #[arg(long, env = "THROUGHLINE_MAX_UNDONE_HOURS_PER_CALLER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_undone_hours_per_caller: u32,
}
