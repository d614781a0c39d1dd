//! One file per command.

pub mod bench;
pub mod bench_data;
pub mod cancel;
pub mod dead_letters;
pub mod diarize;
pub mod diarize_many;
pub mod migrate;
pub mod models;
pub mod operations;
pub mod queues;
pub mod reprocess;
pub mod score;
pub mod status;
pub mod submit;
pub mod token;
